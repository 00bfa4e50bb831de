//! Stories of the program as people run it: the real binary as a process, on free ports.

mod addresses;
mod commands;
mod data;
mod drain;
mod http;
mod http2;
mod kafka;
mod listener;
mod metrics;
mod start;
mod streams;
mod support;
mod tls;
mod transports;
