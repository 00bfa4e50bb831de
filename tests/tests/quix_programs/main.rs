//! Programs on Quix Streams, of both generations, that know nothing but a portal and a token from their environment.

#![allow(clippy::unwrap_used)]

mod acls;
mod both_ways;
mod door;
mod how_to_connect;
mod place;
mod refusals;
mod script;
mod stateful;
