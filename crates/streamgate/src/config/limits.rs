//! `[limits]`: every bound of the server that can be set, its default, and what happens past it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{units, values};

/// Bounds that keep one client from taking the server away from the others. None can be switched off, 0 is refused, but for
/// those per address.
///
/// Not settable because clients rely on it: JSON and MessagePack nest at most 64 deep. Every hit is counted in
/// `streamgate_limit_hits_total`. Source of names and defaults: the project's reliability notes, section "Limits".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections of all kinds at once. Default 50 000; the server uses at most 80 % of its file descriptors whatever is
    /// set here. Past it: HTTP 503 with `Retry-After`.
    pub connections: u32,
    /// Connections of one address at once, and its hub connections at once, of which several may share a connection of HTTP;
    /// of IPv6, all addresses with the same first 64 bits are one. `None`, written
    /// `"auto"`, is the default: 2 000, but any number from this machine, where one proxy or load test may speak for many.
    /// A number holds for this machine too; 0 switches it off. Past it: HTTP 429 with `Retry-After`; over TLS, and an eighth
    /// past it, the connection is closed unread.
    #[serde(with = "values::auto_number")]
    pub connections_per_address: Option<u32>,
    /// New connections of one address per second, in the long run; twice as many may come at once. `None`, written `"auto"`,
    /// is the default: 200, but any number from this machine. A number and 0 as in `connections_per_address`. Past it: HTTP
    /// 429 with `Retry-After`; over TLS, and past twice the rate, the connection is closed unread.
    #[serde(with = "values::auto_number")]
    pub new_connections_per_address: Option<u32>,
    /// Guesses per minute and address: requests whose token was refused, but for one that was good once or will be; of IPv6,
    /// all addresses with the same first 64 bits are one. `None`, written `"auto"`, is the default: 60, but any number from this machine. A number and 0 as in
    /// `connections_per_address`. Past it: HTTP 429 with `Retry-After`, before any token is looked at.
    #[serde(with = "values::auto_number")]
    pub auth_failures_per_address: Option<u32>,
    /// Connections of which no request was let in yet. Default 2 000. Past it: the one is closed that has waited longest.
    pub unauthenticated: u32,
    /// The same of one address; of IPv6, all addresses with the same first 64 bits are one. `None`, written `"auto"`, is the
    /// default: 200, but any number from this machine. A number and 0 as in `connections_per_address`.
    #[serde(with = "values::auto_number")]
    pub unauthenticated_per_address: Option<u32>,
    /// Connections negotiated but not yet opened, in all. Default 10 000. Past it: negotiate answers 503.
    pub negotiated: u32,
    /// The same of one address; of IPv6, all addresses with the same first 64 bits are one. `None`, written `"auto"`, is the
    /// default: 500, but any number from this machine. A number and 0 as in `connections_per_address`. Past it: HTTP 429.
    #[serde(with = "values::auto_number")]
    pub negotiated_per_address: Option<u32>,
    /// Bytes of one hub message from a client. Default 4 MiB (ASP.NET Core: 32 KiB). Past it: the connection ends with
    /// `The maximum message size of …B was exceeded.`
    #[serde(with = "units::size")]
    pub message_size: usize,
    /// Bytes of one websocket frame from a client, judged by its announced length. Default 4 MiB + 64 KiB; at least
    /// `message_size`. Past it: close code 1009.
    #[serde(with = "units::size")]
    pub frame_size: usize,
    /// Websocket control frames (ping, pong, close) per second and connection, in the long run. Default 50. Past it and
    /// past `control_frames_burst`: close code 1008.
    pub control_frames_per_second: u32,
    /// Websocket control frames that may come at once. Default 200.
    pub control_frames_burst: u32,
    /// Time from the opened transport to the hub handshake. Default 15 s (ASP.NET Core: `HandshakeTimeout`). Past it: the
    /// connection ends.
    #[serde(with = "units::duration")]
    pub handshake_timeout: Duration,
    /// Calls of one connection that are not answered yet. Default 1 024. Past it: no error, the connection is not read
    /// until some are.
    pub calls_in_flight: u32,
    /// Bytes of the calls of one connection that are not answered yet. Default 8 MiB. Past it: as `calls_in_flight`.
    #[serde(with = "units::size")]
    pub calls_in_flight_bytes: usize,
    /// Calls of one user in a second, of all its connections together, and HTTP writes with them; of a connection that is
    /// nobody's, its own, and HTTP writes that are nobody's by address. As many may come at once. Default 0: any number. Past
    /// it: no error, the connection is not read for a while; HTTP 429 with `Retry-After`.
    pub calls_per_second: u32,
    /// Subscriptions of one connection. Default 4 096. Past it: the Subscribe call completes with an error.
    pub subscriptions: u32,
    /// Subscriptions of one connection to topic `*`, counted among `subscriptions` too: each is one at every topic. Default 64.
    /// Past it: as `subscriptions`.
    pub wildcard_subscriptions: u32,
    /// Reads of one user over HTTP, at a time, of packages that were in a topic before (`GET /topics/…/packages`), until they have
    /// come to its end; of a token without user its own, without tokens by address. Default 8; of all clients the broker has 16.
    /// Past it: a read waits for its turn, up to 10 s, then HTTP 429 with `Retry-After`.
    pub replays_per_client: u32,
    /// Packages of a topic that `SubscribeToPackages` brings in a second. Default 0: any number. Past it: they are left out,
    /// so that subscribers see a sample; Quix, since July 2023: 10.
    pub packages_per_second: u32,
    /// Streams of all topics that are tracked for those who subscribe to active streams. Default 100 000. Past it: topics that
    /// have more than an equal share of them give up those they saw least recently, which leave the list.
    pub tracked_streams: u32,
    /// The same of one topic. Default 10 000. Past it: the least recently seen stream leaves the list.
    pub tracked_streams_per_topic: u32,
    /// Bytes waiting to be written to one connection. Default 8 MiB. Past it: the connection ends with
    /// `The subscriber is too slow.` All callbacks of one record are queued if what waited before them was within the bound:
    /// no single record ends who keeps up, `output_total` bounds it. A list of active streams takes three quarters of it at
    /// most; past that the least recently seen are left out, and come as changes when they are next seen.
    #[serde(with = "units::size")]
    pub output_queue_bytes: usize,
    /// Frames waiting to be written to one connection. Default 8 192. Past it: as `output_queue_bytes`.
    pub output_queue_frames: u32,
    /// Age of the oldest frame waiting to be written to one connection. Default 10 s. Past it: as `output_queue_bytes`.
    #[serde(with = "units::duration")]
    pub output_queue_age: Duration,
    /// Bytes waiting to be written to all connections together, shared ones counted for each. Default 256 MiB. Past it: the
    /// connections with the fullest queues end, as with `output_queue_bytes`.
    #[serde(with = "units::size")]
    pub output_total: usize,
    /// Bytes of unfinished messages and waiting calls of all connections together; HTTP request bodies are counted by
    /// themselves. Default 256 MiB. Past it: the connection that brings more ends; of request bodies the oldest unfinished one gets HTTP 503.
    #[serde(with = "units::size")]
    pub input_total: usize,
    /// Time in which a connection that has output takes none of it. Default 10 s. Past it: a websocket ends, and so does an
    /// answer with packages; past twice the time the system resets any connection.
    #[serde(with = "units::duration")]
    pub write_stall: Duration,
    /// Messages of all connections handed to the broker and not acknowledged. Default 100 000. Past it: calls are refused
    /// as not written, HTTP 503.
    pub write_backlog_messages: u32,
    /// Bytes of all connections handed to the broker and not acknowledged. Default 64 MiB. Past it: as
    /// `write_backlog_messages`.
    #[serde(with = "units::size")]
    pub write_backlog_bytes: usize,
    /// Time the broker has to acknowledge a message; at most 2 min. Default 30 s (librdkafka: 5 min, longer than any client
    /// waits). Past it: the call fails, and its outcome is unknown.
    #[serde(with = "units::duration")]
    pub delivery_timeout: Duration,
    /// Time for finishing calls and closing connections after the signal to stop. Default 15 s. Past it: the process exits.
    #[serde(with = "units::duration")]
    pub drain_timeout: Duration,
    /// Time for the handshake of TLS. Default 10 s. Past it: the connection is closed.
    #[serde(with = "units::duration")]
    pub tls_handshake_timeout: Duration,
    /// Time for a request's complete head; over HTTP/2 for that of the first. Default 10 s. Past it: the connection is closed.
    #[serde(with = "units::duration")]
    pub head_timeout: Duration,
    /// Time in which an HTTP/2 connection has no streams; one of HTTP/1.1 waits for a request no longer than
    /// `head_timeout`. Default 75 s. Past it: the connection is closed.
    #[serde(with = "units::duration")]
    pub keep_alive: Duration,
    /// Time in which nothing comes of a request's body. Default 10 s. Past it, or slower than 1 KiB/s over 30 s: HTTP 408.
    #[serde(with = "units::duration")]
    pub body_timeout: Duration,
    /// Bytes of one HTTP request body. Default 4 MiB. Past it: HTTP 413.
    #[serde(with = "units::size")]
    pub body_size: usize,
    /// Bytes of the id of a stream, parameter or event, or of the name of a tag. Default 1 KiB. Past it: the call is refused as
    /// not written, HTTP 400.
    #[serde(with = "units::size")]
    pub name_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 50_000,
            connections_per_address: None,
            new_connections_per_address: None,
            auth_failures_per_address: None,
            unauthenticated: 2_000,
            unauthenticated_per_address: None,
            negotiated: 10_000,
            negotiated_per_address: None,
            message_size: 4 * MIB,
            frame_size: 4 * MIB + 64 * KIB,
            control_frames_per_second: 50,
            control_frames_burst: 200,
            handshake_timeout: Duration::from_secs(15),
            calls_in_flight: 1_024,
            calls_in_flight_bytes: 8 * MIB,
            calls_per_second: 0,
            subscriptions: 4_096,
            wildcard_subscriptions: 64,
            tracked_streams: 100_000,
            tracked_streams_per_topic: 10_000,
            replays_per_client: 8,
            packages_per_second: 0,
            output_queue_bytes: 8 * MIB,
            output_queue_frames: 8_192,
            output_queue_age: Duration::from_secs(10),
            output_total: 256 * MIB,
            input_total: 256 * MIB,
            write_stall: Duration::from_secs(10),
            write_backlog_messages: 100_000,
            write_backlog_bytes: 64 * MIB,
            delivery_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(15),
            tls_handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            body_size: 4 * MIB,
            name_size: KIB,
        }
    }
}

impl Limits {
    /// The bound of [`connections_per_address`](Self::connections_per_address) for this address, if there is one.
    pub fn connections_of(&self, address: IpAddr) -> Option<u32> {
        of(address, self.connections_per_address, 2_000)
    }

    /// The bound of [`new_connections_per_address`](Self::new_connections_per_address) for this address, if there is one.
    pub fn new_connections_of(&self, address: IpAddr) -> Option<u32> {
        of(address, self.new_connections_per_address, 200)
    }

    /// The bound of [`negotiated_per_address`](Self::negotiated_per_address) for this address, if there is one.
    pub fn negotiated_of(&self, address: IpAddr) -> Option<u32> {
        of(address, self.negotiated_per_address, 500)
    }

    /// The bound of [`calls_per_second`](Self::calls_per_second), if there is one.
    pub fn calls(&self) -> Option<u32> {
        Some(self.calls_per_second).filter(|most| *most > 0)
    }

    /// The bound of [`auth_failures_per_address`](Self::auth_failures_per_address) for this address, if there is one.
    pub fn auth_failures_of(&self, address: IpAddr) -> Option<u32> {
        of(address, self.auth_failures_per_address, 60)
    }

    /// The bound of [`unauthenticated_per_address`](Self::unauthenticated_per_address) for this address, if there is one.
    pub fn unauthenticated_of(&self, address: IpAddr) -> Option<u32> {
        of(address, self.unauthenticated_per_address, 200)
    }
}

impl Limits {
    /// The same where a loopback address is that of a proxy: what counts as its is of clients from elsewhere, so it is bounded
    /// as any other.
    pub(crate) fn with_loopback_bounded(&self) -> Self {
        let elsewhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let explicit = |bound: Option<u32>| Some(bound.unwrap_or(0));
        Self {
            connections_per_address: explicit(self.connections_of(elsewhere)),
            new_connections_per_address: explicit(self.new_connections_of(elsewhere)),
            negotiated_per_address: explicit(self.negotiated_of(elsewhere)),
            auth_failures_per_address: explicit(self.auth_failures_of(elsewhere)),
            unauthenticated_per_address: explicit(self.unauthenticated_of(elsewhere)),
            ..self.clone()
        }
    }
}

fn of(address: IpAddr, setting: Option<u32>, default: u32) -> Option<u32> {
    match setting {
        None => (!address.is_loopback()).then_some(default),
        Some(number) => Some(number).filter(|number| *number > 0),
    }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
