//! Logs whose files hold anything: opening never panics, and what is read is whole or said to be damaged.
#![allow(clippy::unwrap_used)]

mod harness;

use harness::open_anything;
use proptest::{collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_any_file(kind in any::<u8>(), bytes in vec(any::<u8>(), 0..200)) {
        open_anything(&[&[kind], bytes.as_slice()].concat());
    }

    #[test]
    fn a_few_bytes_changed(kind in any::<u8>(), edits in vec((0..2000_u16, any::<u8>()), 1..6)) {
        let edits: Vec<u8> = edits.iter().flat_map(|(place, byte)| [place.to_le_bytes()[0], place.to_le_bytes()[1], *byte]).collect();
        open_anything(&[&[kind], edits.as_slice()].concat());
    }
}

/// Inputs on which the fuzz target `log_open` has failed.
#[test]
fn what_the_fuzzer_found() {
    for input in FOUND {
        open_anything(input);
    }
}

const FOUND: &[&[u8]] = &[
    // Offsets that jump ahead, as a repair leaves them: reading in the gap gave the batch before it, for ever.
    &[98, 78, 5, 1, 82, 5, 1],
    b"\x32\xff\x08checksumo\0",
];
