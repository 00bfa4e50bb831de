//! Records that were too large for a broker and came in pieces.
//!
//! ```text
//! 0 '<' · 1–4 message id · 5 '/' · 6 index · 7 '/' · 8 index of the last · 9 '>' · piece…      .NET clients, by default
//! ```
//!
//! or the message's own headers and `__Q_SplitMessageId`, `…Index` and `…Count`. Source: Quix Streams' .NET library.

mod merger;
mod segment;

pub use merger::{Added, DropReason, Dropped, MergeLimits, Merged, Merger};
pub use segment::Segment;

pub(crate) use segment::{PREFIX_BYTES, prefix};
