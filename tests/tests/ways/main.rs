//! Stories of the ways in beside the hubs and the HTTP API.

#![allow(clippy::unwrap_used)]

mod sender;
mod webhook;
mod webhook_kills;
