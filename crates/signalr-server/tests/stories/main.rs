//! Stories of the whole server, told by a client that sees what is on the wire. One binary, as each costs a link.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not know as such")]

mod auth;
mod calls;
mod client_results;
mod common;
mod embed;
mod ending;
mod http;
mod messagepack;
mod pipeline;
mod raw;
mod sends;
mod slow;
mod streams;
mod uploads;
mod users;
