//! Stories of the whole server, told by a client that sees what is on the wire. One binary, as each costs a link.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not know as such")]

mod auth;
mod calls;
mod client_results;
mod common;
mod embed;
mod ending;
mod http;
mod limits;
mod long_polling;
mod messagepack;
mod output_limits;
mod pipeline;
mod raw;
mod reconnect;
mod sends;
mod server_sent_events;
mod slow;
mod streams;
mod transports;
mod uploads;
mod users;
