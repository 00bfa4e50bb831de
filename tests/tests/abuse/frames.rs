//! Websocket frames that break RFC 6455 or mean to cost more than they should.

use e2e::program::Program;

use crate::process::{MIB, limit_hits, memory, settled};
use crate::raw::{Raw, TEXT, close_code, frame, head_of};
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_rules_of_websockets_ends_the_connection_with_the_code_for_it() {
    let program = Program::serve(&["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    let before = memory(&program);
    let part =
        |first: u8, times: usize, payload: &[u8]| [frame(0x01, payload), frame(first, payload).repeat(times)].concat();
    let pings = frame(0x89, b"").repeat(1000);
    for (name, bytes, code) in [
        ("not masked", b"\x81\x02{}".to_vec(), 1002),
        ("not masked, and empty", b"\x81\x00".to_vec(), 1002),
        ("compressed, though nobody agreed", frame(0xC1, b"{}"), 1002),
        ("all reserved bits", frame(0xF1, b"{}"), 1002),
        ("an unknown opcode", frame(0x83, b"{}"), 1002),
        ("an unknown control opcode", frame(0x8F, b""), 1002),
        ("a ping in pieces", frame(0x09, b""), 1002),
        ("a ping too long", frame(0x89, &[0; 126]), 1002),
        ("half a close code", frame(0x88, b"\x03"), 1002),
        ("a continuation of nothing", frame(0x80, b"{}"), 1002),
        ("a message within a message", [frame(0x01, b"{"), frame(0x01, b"}")].concat(), 1002),
        ("2^63 bytes", head_of(1 << 63), 1009),
        ("2^64 - 1 bytes", head_of(u64::MAX), 1009),
        ("5 MiB announced", head_of(5 << 20), 1009),
        ("many empty fragments", part(0x00, 4096, b""), 1008),
        ("many fragments of one byte", part(0x00, 4096, b" "), 1008),
        ("a flood of pings", pings.clone(), 1008),
        ("a flood of pongs", frame(0x8A, b"x").repeat(1000), 1008),
        ("a flood of pings within a message", [frame(0x01, b"{"), pings].concat(), 1008),
    ] {
        let mut raw = Raw::hub(program.address()).await;
        let _ = raw.send(&bytes).await;
        let sent = raw.read_to_end_after_close().await;
        assert_eq!(close_code(&sent), Some(code), "{name}: {}", String::from_utf8_lossy(&sent));
        let text = String::from_utf8_lossy(&sent);
        assert!(text.contains(r#"{"type":7,"error":"Connection closed with an error. "#), "{name}: {text}");
    }
    for limit in ["frame_size", "control_frames"] {
        assert_eq!(limit_hits(&program.management(), limit).await, 3.0, "{limit}");
    }
    settled(&program, 2).await;
    witness.finish().await;
    let grown = memory(&program).saturating_sub(before);
    assert!(grown < 32 * MIB, "{} KiB more", grown / 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_message_passes_and_one_byte_more_is_told_the_limit() {
    let program = Program::serve(&["--memory"]).await;
    for (bytes, answer) in [
        (LIMIT, r#"{"type":3,"invocationId":"1","result":null}"#),
        (LIMIT + 1, "The maximum message size of 4194304B was exceeded."),
    ] {
        let mut raw = Raw::hub(program.address()).await;
        let begin = r#"{"type":1,"invocationId":"1","target":"SendEventData","arguments":["t","s",{"timestamp":1,"id":"E","value":""#;
        let filler = "x".repeat(bytes - begin.len() - "\"}]}\x1e".len());
        let message = format!("{begin}{filler}\"}}]}}\x1e");
        assert_eq!(message.len(), bytes);
        // In pieces: the limit is the message's, not the frame's.
        for piece in message.as_bytes().chunks(100_000) {
            if raw.send(&frame(TEXT, piece)).await.is_err() {
                break;
            }
        }
        let said = raw.read_past(b"\x1e").await;
        assert!(said.contains(answer), "{said}");
    }
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_answered_whatever_it_says() {
    let program = Program::serve(&["--memory"]).await;
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe8bye", b"\x00\x00", b"\xff\xff\xff\xfe", &[0; 125]] {
        let mut raw = Raw::hub(program.address()).await;
        raw.send(&frame(0x88, payload)).await.unwrap();
        assert_eq!(close_code(&raw.read_to_end_after_close().await), Some(1000), "{payload:?}");
    }
    settled(&program, 0).await;
}

const LIMIT: usize = 4 << 20;
