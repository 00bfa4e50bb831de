//! Transports: what carries a connection's bytes. Server-Sent Events and long polling will stand beside WebSockets.

pub(crate) mod websocket;
