//! Values that look different in the two encodings: bytes, instants, and whatever a client may send.
//!
//! They stand in arguments and results, by themselves or inside of other types:
//!
//! ```
//! use signalr_proto::value::{AnyValue, Binary, Timestamp};
//! use signalr_proto::{Encoding, HubMessage};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Picture { taken: Timestamp, pixels: Binary, notes: AnyValue }
//!
//! let call = br#"{"type":1,"target":"Show","arguments":[{"taken":"2000-01-01T00:00:00Z","pixels":"AQID","notes":1.10}]}"#;
//! let Ok(Some(HubMessage::Invocation(call))) = Encoding::Json.decode(call) else { panic!() };
//! let (picture,): (Picture,) = call.arguments.bind().unwrap();
//! assert_eq!(picture.pixels.0, [1, 2, 3]);
//! assert!(Encoding::Json.encode_value(&picture).unwrap().ends_with(br#""notes":1.10}"#));
//! // bin, and an extension of type -1
//! assert_eq!(Encoding::MessagePack.encode_value(&picture.pixels).unwrap(), [0xc4, 3, 1, 2, 3]);
//! assert_eq!(Encoding::MessagePack.encode_value(&picture.taken).unwrap(), [0xd6, 0xff, 0x38, 0x6d, 0x43, 0x80]);
//! ```

mod any;
mod binary;
mod timestamp;

pub use any::AnyValue;
pub use binary::Binary;
pub use timestamp::{Timestamp, TimestampError};
