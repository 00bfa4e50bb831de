//! Any text as a token, a key set or a list of revocations: judged without a panic, and nothing unsigned is let in.
#![no_main]

use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use access::{Access, Algorithm, Key, Revocations, keys_of_set};

static ACCESS: LazyLock<Access> = LazyLock::new(|| {
    let public = include_bytes!("../../crates/access/tests/keys/ec.pub.pem");
    let keys = [(Algorithm::Hs256, b"a secret that no fuzzer will guess".as_slice()), (Algorithm::Es256, public)];
    Access { keys: keys.map(|(algorithm, key)| Key::new(algorithm, key).unwrap()).into(), ..Access::default() }
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    assert!(ACCESS.check(text, UNIX_EPOCH).is_err(), "let in: {text}");
    let _ = text.parse::<Revocations>();
    // With its own keys a stranger's set may let a token of its in: only that nothing breaks is told here.
    if let Ok(keys) = keys_of_set(text) {
        let _ = Access { keys, ..Access::default() }.check(text, UNIX_EPOCH);
    }
});
