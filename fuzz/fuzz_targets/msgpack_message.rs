//! Any bytes as a message in this encoding.
#![no_main]

mod messages;

libfuzzer_sys::fuzz_target!(|input: &[u8]| messages::read(signalr_proto::Encoding::MessagePack, input));
