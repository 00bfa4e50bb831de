//! Stories of the whole server, told by a client that sees what is on the wire. One binary, as each costs a link.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not know as such")]

mod calls;
mod common;
mod embed;
mod ending;
mod http;
mod long_polling;
mod pipeline;
mod sends;
mod server_sent_events;
mod slow;
mod transports;
