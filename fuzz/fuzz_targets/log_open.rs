//! A log with any bytes in one of its files: opening never panics, and what is read is whole or said to be damaged.
#![no_main]

#[path = "../../crates/embedded-log/tests/open_anything/harness.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| harness::open_anything(input));
