//! `Options`: every setting of a hub server, with its default.

use std::time::Duration;

use crate::auth::Authentication;
use crate::cors::AllowedOrigins;
use crate::transport::Transport;

/// Settings of a [`HubServer`](crate::HubServer). Defaults are ASP.NET Core's where it has the setting.
#[derive(Debug, Clone)]
pub struct Options {
    /// The protocol's own: keep-alive, timeouts, message limit, how much of an error is told.
    pub protocol: signalr_proto::Options,
    /// Calls of one connection that may run at once; further ones wait, unread. Default 1.
    /// Source: ASP.NET Core `MaximumParallelInvocationsPerClient`.
    pub max_parallel_invocations: usize,
    /// Calls of one connection that may be unanswered, those that have given their slot back included
    /// (see [`Hub::pipelined_method`](crate::Hub::pipelined_method)). At the bound the connection is not read. Default 1 024.
    pub max_calls_in_flight: usize,
    /// The same in bytes of their messages. Default 8 MiB.
    pub max_bytes_in_flight: usize,
    /// Calls, streams included, that begin in a second: of all connections of a user ([`User::id`](crate::User::id))
    /// together, of each that is nobody's alone; as many may come at once. Past it no error, the connection is not read for a
    /// while. Default: any number.
    pub max_calls_per_second: Option<u32>,
    /// Server streams of one connection that may run at once; a call for one more is answered with an error. They take no
    /// slot and do not count as calls in flight. Default 1 024.
    pub max_streams: usize,
    /// Streams one connection may upload at once; a call with more is answered with an error. Default 100.
    pub max_upload_streams: usize,
    /// Items of one uploaded stream that wait to be read by the method; with more to come the connection is not read.
    /// Default 10. Source: ASP.NET Core `HubOptions.StreamBufferCapacity`.
    pub upload_stream_buffer: usize,
    /// Results one connection may be asked for at once, and calls of one connection that may wait for such results.
    /// One more fails. Default 100.
    pub max_pending_client_results: usize,
    /// Output waiting for one connection, in bytes. Past it the connection ends with `The subscriber is too slow.`
    /// Default 8 MiB.
    pub max_queued_bytes: usize,
    /// The same in frames. Default 8 192.
    pub max_queued_frames: usize,
    /// Output waiting for all connections together, in bytes, shared frames counted for each. Past it the connections for
    /// which most waits end as too slow, until an eighth of it is free. Default 256 MiB.
    pub max_total_queued_bytes: usize,
    /// Unfinished input of all connections together, in bytes: messages whose end has not come, and calls that wait for a
    /// slot. Past it the connection ends that has held some for the longest time. Default 256 MiB.
    pub max_total_input_bytes: usize,
    /// Longest that output may wait for one connection. Default 10 s.
    pub max_queued_age: Duration,
    /// Largest websocket frame taken, judged by its announced length: 1009. Default 4 MiB + 64 KiB.
    pub max_frame_bytes: usize,
    /// Longest that nothing may be written though something waits. Default 10 s.
    pub max_write_stall: Duration,
    /// Pings and pongs taken per second on average: 1008 past it. Default 50.
    pub max_control_frames_per_second: u32,
    /// Pings and pongs taken at once. Default 200.
    pub max_control_frame_burst: u32,
    /// Connections at once; past it 503 with `Retry-After`. Default 50 000.
    pub max_connections: usize,
    /// Negotiated but not yet used connections; past it 503. Default 10 000.
    pub max_negotiated: usize,
    /// How long a negotiated connection may stay unused, and a client of long polling neither poll nor take any of an answer.
    /// Default 15 s.
    pub disconnect_timeout: Duration,
    /// Transports that are served, in the order in which clients are to prefer them. Default: all, WebSockets first.
    pub transports: Vec<Transport>,
    /// How long a poll waits for output before it is answered without any. Default 90 s; clients give up at 100 s.
    /// Source: ASP.NET Core `LongPollingOptions.PollTimeout`.
    pub poll_timeout: Duration,
    /// Longest silence within the body of a request. Default 10 s.
    pub body_timeout: Duration,
    /// Whether a connection may survive a broken websocket, for clients that ask for it. Default off.
    /// Source: ASP.NET Core `AllowStatefulReconnects`.
    pub stateful_reconnect: bool,
    /// Output that such a connection's client has not acknowledged, in bytes, before its streams and
    /// [`Client::send`](crate::Client::send) wait; at [`max_queued_bytes`](Self::max_queued_bytes) it ends. Default
    /// 100 000. Source: ASP.NET Core `StatefulReconnectBufferSize`.
    pub reconnect_buffer: usize,
    /// Connections that may wait for another websocket at once, for [`disconnect_timeout`](Self::disconnect_timeout) each;
    /// past it the one ends that has waited longest. Default 1 000.
    pub max_detached: usize,
    /// The same for those of one user; who belongs to nobody counts in all only. Default 10.
    pub max_detached_per_user: usize,
    /// Attempts per second to give one connection another websocket, on average and at once; past it 429. Default 5.
    pub max_reattaches_per_second: u32,
    /// Lowest version of the negotiation that is served. Default 0.
    pub minimum_negotiate_version: u32,
    /// Who may connect. Default: anybody, as nobody in particular.
    pub authentication: Option<Authentication>,
    /// Which pages of other origins may connect. Default: those of this machine.
    pub allowed_origins: AllowedOrigins,
    /// How long a stop waits for calls that were read already. Default 10 s.
    pub drain_calls_timeout: Duration,
    /// Time over which a stop spreads its goodbyes, so that clients do not return all at once. Default 2 s.
    pub drain_spread: Duration,
}

impl Default for Options {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            protocol: signalr_proto::Options::default(),
            max_parallel_invocations: 1,
            max_calls_in_flight: 1024,
            max_bytes_in_flight: 8 * MIB,
            max_calls_per_second: None,
            max_streams: 1024,
            max_upload_streams: 100,
            upload_stream_buffer: 10,
            max_pending_client_results: 100,
            max_queued_bytes: 8 * MIB,
            max_queued_frames: 8192,
            max_total_queued_bytes: 256 * MIB,
            max_total_input_bytes: 256 * MIB,
            max_queued_age: Duration::from_secs(10),
            max_frame_bytes: 4 * MIB + 64 * 1024,
            max_write_stall: Duration::from_secs(10),
            max_control_frames_per_second: 50,
            max_control_frame_burst: 200,
            max_connections: 50_000,
            max_negotiated: 10_000,
            disconnect_timeout: Duration::from_secs(15),
            transports: Transport::ALL.to_vec(),
            poll_timeout: Duration::from_secs(90),
            body_timeout: Duration::from_secs(10),
            stateful_reconnect: false,
            reconnect_buffer: 100_000,
            max_detached: 1_000,
            max_detached_per_user: 10,
            max_reattaches_per_second: 5,
            minimum_negotiate_version: 0,
            authentication: None,
            allowed_origins: AllowedOrigins::default(),
            drain_calls_timeout: Duration::from_secs(10),
            drain_spread: Duration::from_secs(2),
        }
    }
}
