//! Stories of the whole server, told by a client that sees what is on the wire. One binary, as each costs a link.

mod calls;
mod common;
mod ending;
mod http;
mod sends;
