//! What strangers announce costs no memory: every byte allocated is counted while broken input is read.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;
use signalr_proto::value::AnyValue;
use signalr_proto::{Connection, Encoding, HubMessage, Options, Payload};

struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated meanwhile, freed or not.
fn allocated(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.get();
    work();
    ALLOCATED.get() - before
}

/// All that a server may do with a frame.
fn read(encoding: Encoding, frame: &[u8]) {
    let Ok(Some(message)) = encoding.decode(frame) else { return };
    match message {
        HubMessage::Invocation(call) | HubMessage::StreamInvocation(call) => {
            let _ = call.arguments.bind::<(Vec<u64>, String)>();
            let _ = call.arguments.bind::<(AnyValue,)>();
        }
        HubMessage::StreamItem { item, .. } => value(item),
        _ => {}
    }
}

fn value(payload: Payload<'_>) {
    let _ = payload.decode::<serde_json::Value>();
    let _ = payload.decode::<Vec<[u64; 8]>>();
    let _ = payload.decode::<std::collections::HashMap<String, [u64; 8]>>();
    let _ = payload.decode::<AnyValue>();
}

/// Bytes that may be allocated for that many: values in memory are larger than on the wire, but not by any factor.
fn warranted(bytes: usize) -> usize {
    100_000 + 1_000 * bytes
}

#[test]
fn announced_lengths_cost_nothing() {
    let most = [0xff; 4];
    for (head, tail) in [
        (&b"\x96\x01\x80\xc0\xa1a\xdd"[..], &[][..]),
        (b"\x96\x01\xdf", &[]),
        (b"\x96\x01\x80\xc0\xa1a\x90\xdd", &[]),
        (b"\x94\x02\x80\xa1a\xdd", &[1]),
        (b"\x94\x02\x80\xa1a\xdf", &[1]),
        (b"\x94\x02\x80\xa1a\xdb", &[1]),
        (b"\x94\x02\x80\xa1a\xc6", &[1]),
        (b"\x94\x02\x80\xa1a\xc9", &[1, 1]),
        (b"\x94\x02\x80\xa1a\x91\xdd", &[1]),
    ] {
        let frame = [head, &most, tail].concat();
        assert!(allocated(|| read(Encoding::MessagePack, &frame)) < 1_000, "{frame:x?}");
        // The same as a value that nobody has looked at before.
        let payload = &frame[5.min(frame.len())..];
        assert!(allocated(|| value(Payload::MessagePack(payload))) < 10_000, "{payload:x?}");
    }
}

#[test]
fn elements_that_do_not_fit_cost_no_room_for_all_that_are_there() {
    let nils = [&[0xdc, 0x13, 0x88][..], &[0xc0; 5_000]].concat();
    let used = allocated(|| assert!(Payload::MessagePack(&nils).decode::<Vec<[[u64; 8]; 8]>>().is_err()));
    assert!(used < 50_000, "{used}");
}

#[test]
fn a_plain_call_is_decoded_without_allocating() {
    let frames: [(Encoding, &[u8]); 2] = [
        (Encoding::Json, br#"{"type":1,"invocationId":"7","target":"Move","arguments":[3,"up"]}"#),
        (Encoding::MessagePack, b"\x96\x01\x80\xa17\xa4Move\x92\x03\xa2up\x90"),
    ];
    for (encoding, frame) in frames {
        assert_eq!(allocated(|| drop(encoding.decode(frame).unwrap())), 0, "{encoding:?}");
    }
}

#[test]
fn a_call_is_encoded_without_allocating_where_there_is_room() {
    let mut out = Vec::with_capacity(1_000);
    let text = "x".repeat(300);
    for encoding in Encoding::ALL {
        let used = allocated(|| encoding.encode_invocation(Some("1"), "Move", &(3, &text), &mut out).unwrap());
        assert_eq!(used, 0, "{encoding:?}");
    }
}

#[test]
fn an_announced_message_costs_what_came_of_it() {
    let options = Arc::new(Options { max_message_bytes: 0, ..Options::default() });
    let now = Instant::now();
    let used = allocated(|| {
        let mut connection = Connection::server(options, now);
        let mut input: &[u8] = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e\xff\xff\xff\xff\x07abc";
        while connection.receive(&mut input, now).is_some() {}
        assert_eq!(connection.held_bytes(), 8);
    });
    assert!(used < 5_000, "{used}");
}

proptest! {
    #[test]
    fn no_bytes_cost_more_than_they_warrant(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for encoding in Encoding::ALL {
            prop_assert!(allocated(|| read(*encoding, &bytes)) < warranted(bytes.len()));
        }
        prop_assert!(allocated(|| value(Payload::MessagePack(&bytes))) < warranted(bytes.len()));
        let item = [b"\x94\x02\x80\xa1a", &bytes[..]].concat();
        prop_assert!(allocated(|| read(Encoding::MessagePack, &item)) < warranted(item.len()));
    }
}
