//! The JSON encoding. `decode.rs` reads messages, `encode.rs` writes them; values inside stay text.

mod decode;
mod encode;

pub use decode::decode;
pub(crate) use encode::write_string;
pub use encode::{encode, encode_completion, encode_invocation, encode_stream_item};
