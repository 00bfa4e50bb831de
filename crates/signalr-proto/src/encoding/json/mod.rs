//! The JSON encoding. `decode.rs` reads messages, `encode.rs` writes them; values inside stay text.

mod decode;
mod encode;

pub use decode::{MAX_DEPTH, decode};
pub(crate) use encode::write_string;
pub use encode::{encode, encode_invocation, encode_stream_item};
