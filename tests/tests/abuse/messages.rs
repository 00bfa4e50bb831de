//! Hub messages that are deep, long, doubled, broken or not text at all.

use e2e::program::Program;
use serde_json::Value;

use crate::process::{MIB, memory, settled};
use crate::raw::{HANDSHAKE, Raw, TEXT, close_code, frame};
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread")]
async fn what_nests_too_deep_ends_its_connection_wherever_it_stands() {
    let program = Program::serve(&["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    let before = memory(&program);
    for depth in [65, 100_000, 1_500_000] {
        let nested = [("[", "]"), ("{\"a\":", "}")].map(|(open, close)| {
            let deep = open.repeat(depth.min(1_500_000 / open.len()));
            (format!("{deep}1{}", close.repeat(depth.min(1_500_000 / open.len()))), deep)
        });
        for deep in nested.into_iter().flat_map(|(whole, open)| [whole, open]) {
            for message in [
                format!(r#"{{"type":1,"target":"SendEventData","arguments":["t","s",{deep}]}}"#),
                format!(r#"{{"unknown":{deep},"type":6}}"#),
                format!(r#"{{"type":99,"x":{deep}}}"#),
                format!(r#"{{"type":2,"invocationId":"1","item":{deep}}}"#),
                format!(r#"{{"type":6,"headers":{deep}}}"#),
                deep.clone(),
            ] {
                let mut raw = Raw::hub(program.address()).await;
                let _ = raw.say(&message).await;
                let said = raw.read_past(b"\x1e").await;
                assert!(said.contains("The message is nested deeper than 64 levels."), "{depth}: {said}");
            }
        }
    }
    settled(&program, 2).await;
    witness.finish().await;
    let grown = memory(&program).saturating_sub(before);
    assert!(grown < 32 * MIB, "{} KiB more", grown / 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_may_be_odd_but_not_harmful() {
    let program = Program::serve(&["--memory"]).await;
    let deep = "[".repeat(1_000_000);
    let shut = "]".repeat(1_000_000);
    for (handshake, answer) in [
        (format!(r#"{{"x":{deep}{shut},"protocol":"json","version":1}}"#), "{}\x1e"),
        (format!(r#"{{"x":{deep}"#), r#"{"error":"An unexpected error occurred during connection handshake."}"#),
        (r#"{"protocol":"json","protocol":"json","version":1}"#.into(), r#"{"error":"An unexpected"#),
        (r#"{"protocol":"json","version":1e400}"#.into(), r#"{"error":"An unexpected"#),
        (r#"{"protocol":"json","version":99999999999999999999}"#.into(), r#"{"error":"An unexpected"#),
        (r#"{"protocol":"json","version":-9223372036854775808}"#.into(), "{}\x1e"),
        (r#"{"protocol":"\ud800","version":1}"#.into(), r#"{"error":"An unexpected"#),
        (
            r#"{"protocol":"\u001e\u0000","version":1}"#.into(),
            r#"{"error":"The protocol '\u001e\u0000' is not supported."}"#,
        ),
        ("null".into(), r#"{"error":"An unexpected"#),
        (String::new(), r#"{"error":"An unexpected"#),
        ("x".repeat(4 << 20), r#"{"error":"Handshake was canceled."}"#),
    ] {
        let mut raw = Raw::websocket(program.address()).await;
        let _ = raw.say(&handshake).await;
        let said = raw.read_past(b"\x1e").await;
        assert!(said.contains(answer), "{:.60}: {said}", handshake);
    }
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_its_connection_and_says_so() {
    let program = Program::serve(&["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    for message in [
        &b"\xff\xfe\xfd"[..],
        b"{\"type\":1,\"target\":\"SendEventData\",\"arguments\":[\"t\",\"s\",[{\"timestamp\":1,\"id\":\"\xed\xa0\x80\"}]]}",
        b"{\"type\":6,\"x\":\"a\x1eb\"}",
        b"{\"type\":6,\"x\":\"\x00\"}",
        b"\xef\xbb\xbf{\"type\":6}",
        b"{\"type\":6}{\"type\":6}",
        b"{\"type\":6,}",
        b"{\"type\":6}//",
        b"{\"type\":1e400}",
        b"{\"type\":1.5}",
        b"{\"type\":99999999999999999999}",
        b"{\"type\":8,\"sequenceId\":-1}",
        b"{\"type\":1,\"invocationId\":null,\"target\":\"x\",\"arguments\":[]}",
        b"{\"type\":1,\"target\":\"\\ud800\",\"arguments\":[]}",
        b"{\"type\":1,\"target\":\"x\",\"arguments\":{}}",
        b"{\"type\":1,\"target\":\"x\",\"arguments\":[],\"streamIds\":[null]}",
        b"{\"type\":3,\"invocationId\":\"1\",\"result\":1,\"error\":\"x\"}",
        b"[]",
        b"",
    ] {
        let mut raw = Raw::hub(program.address()).await;
        let _ = raw.send(&frame(TEXT, &[message, b"\x1e"].concat())).await;
        let sent = raw.read_to_end_after_close().await;
        let text = String::from_utf8_lossy(&sent);
        assert!(text.contains(r#"{"type":7,"error":"Connection closed with an error. InvalidDataException: "#), "{message:?}: {text}");
        assert!(text.contains(r#""allowReconnect":true"#) && close_code(&sent) == Some(1000), "{message:?}: {text}");
    }
    settled(&program, 2).await;
    witness.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_whatever_its_id() {
    let program = Program::serve(&["--memory"]).await;
    let long = "i".repeat(1 << 20);
    let mut raw = Raw::hub(program.address()).await;
    for id in ["same", "same", "same", &long, "\u{1e}\u{0}\u{2028}\"\\", "\u{1f680}", "-0", "__proto__"] {
        let quoted = serde_json::to_string(id).unwrap();
        for target in ["SendEventData", "NoSuchMethod"] {
            raw.say(&format!(r#"{{"type":1,"invocationId":{quoted},"target":"{target}","arguments":["t","s",[]]}}"#))
                .await
                .unwrap();
            let answer = raw.read_past(b"\x1e").await;
            let answer = &answer[answer.find('{').unwrap()..answer.len() - 1];
            let answer: Value = serde_json::from_str(answer).unwrap();
            assert_eq!((answer["type"].as_u64(), answer["invocationId"].as_str()), (Some(3), Some(id)));
            assert_eq!(answer.get("error").is_some(), target == "NoSuchMethod");
        }
    }
    // Many of the same id at once: as many answers.
    let call = format!("{}\x1e", r#"{"type":1,"invocationId":"7","target":"SendEventData","arguments":["t","s",[]]}"#);
    raw.send(&frame(TEXT, call.repeat(3000).as_bytes())).await.unwrap();
    for _ in 0..3000 {
        let answer = raw.read_past(b"\x1e").await;
        assert!(answer.ends_with("{\"type\":3,\"invocationId\":\"7\",\"result\":null}\x1e"), "{answer}");
    }
    // No id, no answer; streams and answers nobody asked for are no calls.
    for message in [
        r#"{"type":1,"target":"SendEventData","arguments":["t","s",[]]}"#,
        r#"{"type":1,"target":"NoSuchMethod","arguments":[]}"#,
        r#"{"type":1,"invocationId":"","target":"NoSuchMethod","arguments":[]}"#,
        r#"{"type":2,"invocationId":"7","item":null}"#,
        r#"{"type":3,"invocationId":"7","result":null}"#,
        r#"{"type":5,"invocationId":"7"}"#,
        r#"{"type":8,"sequenceId":18446744073709551615}"#,
        r#"{"type":9,"sequenceId":18446744073709551615}"#,
        r#"{"type":-1}"#,
        r#"{"type":4,"invocationId":"last","target":"SendEventData","arguments":[]}"#,
    ] {
        raw.say(message).await.unwrap();
    }
    let answer = raw.read_past(b"\x1e").await;
    assert!(answer.contains(r#""invocationId":"last","error":"#), "{answer}");
    assert!(raw.unread.is_empty());
    drop(raw);
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_byte_by_byte_is_taken_like_any_other() {
    let program = Program::serve(&["--memory"]).await;
    let mut raw = Raw::websocket(program.address()).await;
    let call = br#"{"type":1,"invocationId":"1","target":"SendEventData","arguments":["t","s",[]]}"#;
    let said = [HANDSHAKE, call, b"\x1e"].concat();
    // Each byte a frame, each byte of a frame a write.
    for byte in said.chunks(1).flat_map(|byte| frame(TEXT, byte)) {
        raw.send(&[byte]).await.unwrap();
    }
    raw.read_past(br#"{"type":3,"invocationId":"1","result":null}"#).await;
    drop(raw);
    settled(&program, 0).await;
}
