//! Values that look different in the two encodings: bytes, instants, and whatever a client may send.

mod any;
mod binary;
mod timestamp;

pub use any::AnyValue;
pub use binary::Binary;
pub use timestamp::{Timestamp, TimestampError};
