//! The connection as dialogue on a clock of our own: what goes in, what comes out, when.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use signalr_proto::handshake::HandshakeError;
use signalr_proto::{CloseReason, Connection, Encoding, ErrorDetail, Event, HubMessage, Options, Output};

const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\x1e";
const PING: &str = "{\"type\":6}\x1e";
const CLOSE: &str = "{\"type\":7}\x1e";

/// One connection and a clock that only moves when told to.
struct Peer {
    connection: Connection,
    start: Instant,
    now: Instant,
}

impl Peer {
    fn server(options: Options) -> Self {
        let now = Instant::now();
        Self { connection: Connection::server(Arc::new(options), now), start: now, now }
    }

    fn open(options: Options) -> Self {
        let mut peer = Self::server(options);
        assert_eq!(peer.hear(HANDSHAKE), ["opened"]);
        peer.assert_outputs(&["{}\x1e"], None);
        peer
    }

    /// Moves the clock and calls the connection each time it asked to be called.
    fn at(&mut self, seconds: f64) -> &mut Self {
        let end = self.start + Duration::from_secs_f64(seconds);
        while let Some(due) = self.connection.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.connection.handle_timeout(self.now);
        }
        self.now = end;
        self
    }

    fn hear(&mut self, text: &str) -> Vec<String> {
        self.hear_bytes(text.as_bytes())
    }

    fn hear_bytes(&mut self, mut input: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.connection.receive(&mut input, self.now) {
            events.push(match event {
                Event::Opened => "opened".to_owned(),
                Event::Handled => "handled".to_owned(),
                Event::Message { frame, message } => {
                    let body = frame.strip_suffix(b"\x1e").unwrap();
                    assert_eq!(Encoding::Json.decode(body).unwrap().unwrap(), message);
                    String::from_utf8(body.to_vec()).unwrap()
                }
            });
        }
        assert!(input.is_empty() || self.connection.is_ended());
        events
    }

    #[track_caller]
    fn assert_outputs(&mut self, sent: &[&str], ended: Option<CloseReason>) {
        let (mut bytes, mut end) = (Vec::new(), None);
        while let Some(output) = self.connection.poll_output() {
            match output {
                Output::Send(piece) => bytes.extend(piece),
                Output::End(reason) => end = Some(reason),
            }
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), sent.concat());
        assert_eq!(end, ended);
    }
}

#[test]
fn a_handshake_opens_and_messages_may_follow_in_the_same_bytes() {
    let mut peer = Peer::server(Options::default());
    let call = r#"{"type":1,"target":"a","arguments":[]}"#;
    assert_eq!(peer.hear(&format!("{HANDSHAKE}{call}\x1e{PING}")), ["opened", call, "handled"]);
    peer.assert_outputs(&["{}\x1e"], None);
}

#[test]
fn a_bad_handshake_is_answered_and_ends() {
    let mut peer = Peer::server(Options::default());
    assert!(peer.hear("{\"protocol\":\"xml\",\"version\":1}\x1e").is_empty());
    peer.assert_outputs(
        &["{\"error\":\"The protocol 'xml' is not supported.\"}\x1e"],
        Some(CloseReason::Handshake(HandshakeError::UnknownProtocol("xml".into()))),
    );
    assert!(peer.hear(PING).is_empty(), "nothing is heard after the end");
    peer.assert_outputs(&[], None);
}

#[test]
fn a_handshake_that_takes_too_long_or_is_too_long_is_canceled() {
    let canceled = "{\"error\":\"Handshake was canceled.\"}\x1e";
    let reason = || Some(CloseReason::Handshake(HandshakeError::Canceled));
    let mut slow = Peer::server(Options::default());
    slow.hear("{\"protocol\"");
    slow.at(14.9).assert_outputs(&[], None);
    slow.at(15.0).assert_outputs(&[canceled], reason());

    let mut long = Peer::server(Options { max_message_bytes: 20, ..Options::default() });
    long.hear(HANDSHAKE);
    long.assert_outputs(&[canceled], reason());
}

#[test]
fn a_silent_server_pings_each_fifteen_seconds() {
    let mut peer = Peer::open(Options::default());
    peer.at(14.9).assert_outputs(&[], None);
    peer.at(15.0).assert_outputs(&[PING], None);
    peer.at(29.9).assert_outputs(&[], None);
    peer.at(30.0).assert_outputs(&[PING], None);
}

#[test]
fn what_was_sent_puts_the_ping_off() {
    let mut peer = Peer::open(Options::default());
    let sent = peer.start + Duration::from_secs(10);
    peer.connection.handle_sent(sent);
    peer.at(24.9).assert_outputs(&[], None);
    peer.at(25.0).assert_outputs(&[PING], None);
}

#[test]
fn a_client_that_pinged_and_fell_silent_is_dropped() {
    let mut peer = Peer::open(Options { error_detail: ErrorDetail::ClientFaults, ..Options::default() });
    peer.at(10.0).hear(PING);
    peer.at(20.0).hear("{\"type\":1,\"target\":\"a\",\"arguments\":[]}\x1e");
    peer.at(49.9);
    peer.assert_outputs(&[PING, PING, PING], None);
    let close = "{\"type\":7,\"error\":\"Connection closed with an error. OperationCanceledException: Client hasn't \
                 sent a message/ping within the configured ClientTimeoutInterval.\",\"allowReconnect\":true}\x1e";
    peer.at(50.0).assert_outputs(&[close], Some(CloseReason::PeerTimeout));
}

#[test]
fn a_client_that_never_pinged_may_be_silent() {
    let mut peer = Peer::open(Options::default());
    peer.hear("{\"type\":1,\"target\":\"a\",\"arguments\":[]}\x1e");
    peer.at(300.0);
    assert!(!peer.connection.is_ended());
}

#[test]
fn time_the_server_did_not_read_is_not_the_clients_silence() {
    let mut peer = Peer::open(Options::default());
    peer.at(1.0).hear(PING);
    peer.now = peer.start + Duration::from_secs(40);
    peer.connection.handle_resumed(peer.now);
    peer.at(69.9);
    assert!(!peer.connection.is_ended());
    peer.at(70.0);
    assert!(peer.connection.is_ended());
}

#[test]
fn goodbyes_are_answered() {
    let mut peer = Peer::open(Options::default());
    assert!(peer.hear(&format!("{CLOSE}{PING}")).is_empty());
    peer.assert_outputs(&[CLOSE], Some(CloseReason::PeerClosed(None)));
    let mut peer = Peer::open(Options::default());
    peer.hear("{\"type\":7,\"error\":\"tired\"}\x1e");
    peer.assert_outputs(&[CLOSE], Some(CloseReason::PeerClosed(Some("tired".into()))));
}

#[test]
fn the_first_reason_to_close_stands() {
    let mut peer = Peer::open(Options::default());
    peer.connection.close(CloseReason::Draining);
    peer.connection.close(CloseReason::TooSlow);
    peer.assert_outputs(&["{\"type\":7,\"allowReconnect\":true}\x1e"], Some(CloseReason::Draining));
    assert_eq!(peer.connection.poll_timeout(), None);
}

#[test]
fn faults_of_the_peer_end_the_connection_with_their_reason() {
    let told = |detail: &str| {
        format!("{{\"type\":7,\"error\":\"Connection closed with an error. {detail}\",\"allowReconnect\":true}}\x1e")
    };
    let options = || Options { error_detail: ErrorDetail::ClientFaults, max_message_bytes: 100, ..Options::default() };

    let mut peer = Peer::open(options());
    assert!(peer.hear("{\"type\":1}\x1e").is_empty());
    let text = "Missing required property 'arguments'.";
    peer.assert_outputs(&[&told(&format!("InvalidDataException: {text}"))], Some(CloseReason::Protocol(text.into())));

    let mut peer = Peer::open(options());
    peer.hear(&"x".repeat(100));
    peer.assert_outputs(
        &[&told(
            "InvalidDataException: The maximum message size of 100B was exceeded. The message size can be configured in \
             AddHubOptions.",
        )],
        Some(CloseReason::MessageTooLarge { limit: 100 }),
    );

    let mut peer = Peer::open(options());
    peer.hear("{\"type\"");
    peer.connection.handle_end_of_input(false);
    peer.assert_outputs(
        &[&told("InvalidDataException: Connection terminated while reading a message.")],
        Some(CloseReason::CutOff),
    );

    let mut peer = Peer::open(options());
    peer.hear(PING);
    peer.connection.handle_end_of_input(false);
    peer.assert_outputs(&[], Some(CloseReason::TransportEnded));

    let mut peer = Peer::open(options());
    peer.connection.handle_end_of_input(true);
    peer.assert_outputs(&[CLOSE], Some(CloseReason::PeerClosed(None)));
}

#[test]
fn many_small_messages_may_exceed_the_limit_together() {
    let mut peer = Peer::open(Options { max_message_bytes: 40, ..Options::default() });
    assert_eq!(peer.hear(&PING.repeat(100)).len(), 100);
}

#[test]
fn a_client_speaks_first_and_counts_the_servers_silence_from_the_start() {
    let now = Instant::now();
    let connection = Connection::client(Encoding::Json, Arc::new(Options::default()), now);
    let mut client = Peer { connection, start: now, now };
    client.assert_outputs(&[HANDSHAKE], None);
    assert_eq!(client.at(1.0).hear("{}\x1e{\"type\":6}\x1e"), ["opened", "handled"]);
    client.at(30.9).assert_outputs(&[PING, PING], None);
    client.at(31.0);
    assert!(client.connection.is_ended());

    let mut refused = Connection::client(Encoding::Json, Arc::new(Options::default()), now);
    let mut input: &[u8] = b"{\"error\":\"no\"}\x1e";
    assert!(refused.receive(&mut input, now).is_none());
    assert!(matches!(refused.poll_output(), Some(Output::Send(_))));
    assert_eq!(refused.poll_output(), Some(Output::End(CloseReason::Refused { text: "no".into(), for_client: true })));
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_messages(
        texts in prop::collection::vec("[a-z\"\\\\ü{}]{0,30}", 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut bytes = HANDSHAKE.as_bytes().to_vec();
        for text in &texts {
            Encoding::Json.encode_invocation(None, text, &(text,), &mut bytes).unwrap();
        }
        let whole = Peer::server(Options::default()).hear_bytes(&bytes);
        prop_assert_eq!(whole.len(), texts.len() + 1);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut peer = Peer::server(Options::default());
        let pieces: Vec<String> = cuts.windows(2).flat_map(|cut| peer.hear_bytes(&bytes[cut[0]..cut[1]])).collect();
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn no_bytes_make_it_panic_and_an_end_is_told_once(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6)) {
        let mut peer = Peer::open(Options { max_message_bytes: 100, ..Options::default() });
        let mut ends = 0;
        for piece in pieces {
            peer.hear_bytes(&piece);
            while let Some(output) = peer.connection.poll_output() {
                ends += usize::from(matches!(output, Output::End(_)));
            }
        }
        prop_assert!(ends <= 1);
        prop_assert_eq!(ends == 1, peer.connection.is_ended());
    }
}

#[test]
fn messages_are_decoded_in_place() {
    let mut peer = Peer::open(Options::default());
    let bytes = b"{\"type\":1,\"target\":\"a\",\"arguments\":[]}\x1e".to_vec();
    let mut input = &bytes[..];
    let Some(Event::Message { message: HubMessage::Invocation(call), .. }) =
        peer.connection.receive(&mut input, peer.now)
    else {
        panic!("an invocation")
    };
    let signalr_proto::Payload::Json(text) = call.arguments.payload() else { panic!("json") };
    assert!(bytes.as_ptr_range().contains(&text.as_ptr()), "borrowed, not copied");
}
