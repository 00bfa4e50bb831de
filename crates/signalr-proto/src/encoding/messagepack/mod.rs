//! The MessagePack encoding. `decode.rs` reads messages and `encode.rs` writes them, values inside stay bytes;
//! `deserialize.rs` and `serialize.rs` are those values as Rust types, `convert.rs` as JSON text and back. All reading
//! goes through the cursor of `read.rs`, all writing through `write.rs`.
//!
//! The values have a serde format of our own: bytes that pass through untouched inside other values, JSON text
//! ([`RawValue`](serde_json::value::RawValue)) as an argument on either kind of connection, and bounds on nesting and
//! memory are not to be had from outside of one.

mod convert;
mod decode;
mod deserialize;
mod encode;
mod read;
mod serialize;
mod write;

pub(crate) use convert::{from_json, to_json};
pub use decode::decode;
pub(crate) use deserialize::ValueReader;
pub use encode::{encode, encode_completion, encode_invocation, encode_stream_item};
pub(crate) use read::{Reader, Token};
pub(crate) use serialize::write_value;

/// Newtype of a value's bytes, taken and given as they stand. Only this crate's format knows it.
pub(crate) const RAW: &str = "$signalr_proto::messagepack::Raw";

/// Newtype of an extension: a tuple of its type (`i8`) and its bytes. The name is the one the crate rmp-serde uses, so
/// that types made for that write the same here.
pub(crate) const EXTENSION: &str = "_ExtStruct";

/// Newtype and only member of serde_json's `RawValue`.
const RAW_JSON: &str = "$serde_json::private::RawValue";

/// Extension type of timestamps. Source: the MessagePack specification.
pub(crate) const TIMESTAMP: i8 = -1;
