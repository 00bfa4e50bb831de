//! WebSockets: the upgrade of a request (`upgrade.rs`) and the frames that follow it (`reader.rs`).

mod reader;
mod upgrade;

pub(crate) use reader::{FrameReader, Limits, Piece, Violation};
pub(crate) use upgrade::{Grant, accept, into_io};
