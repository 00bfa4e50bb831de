//! CSV files into topics: bytes to rows (`rows.rs`), a look at the first of them (`sniff.rs`) that says what each column is
//! (`mapping.rs`), rows to what is written (`batch.rs`), and pieces of a file that may end anywhere (`piece.rs`). Pure: no
//! files, no network, no clock.
//!
//! ```
//! use ways::csv::{Choices, Item, Piece, sniff};
//!
//! let file = b"time;speed;driver\n2026-11-27T10:00:00Z;7.5;\"Ann\nB.\"\nnever;1;x\n";
//! let choices = Choices { time: Some("time".to_owned()), ..Choices::default() };
//! let mapping = sniff(file, true, &choices)?.mapping;
//!
//! let mut piece = Piece::begin(&mapping, file, true, None)?;
//! let mut batches = mapping.batches();
//! let mut rejected = Vec::new();
//! while let Some(item) = piece.next() {
//!     match item {
//!         Item::Row(row) => {
//!             if let Err(reason) = batches.push(&row) {
//!                 rejected.push(format!("line {}: {reason}", row.spot.line));
//!             }
//!         }
//!         Item::Oversized(_) => unreachable!(),
//!     }
//! }
//! assert_eq!(batches.take().map(|batch| batch.rows()), Some((1, 1)));
//! assert_eq!(rejected, ["line 4: column 'time' holds 'never', which is no time in RFC 3339"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod mapping;
mod number;
mod piece;
mod rows;
mod sniff;
mod stored;
mod time;

pub use batch::{Batch, Batches, Content, Reason};
pub use mapping::{Column, Form, Mapping, MappingError, Role};
pub use piece::{Cursor, Item, Line, Piece, PieceError, Spot};
pub use rows::MAX_ROW_BYTES;
pub use sniff::{Choices, SniffError, Sniffed, sniff};
pub use stored::{Mark, Stored};
pub use time::Unit;
