//! Stories of the program as people run it: the real binary as a process, on free ports.

mod addresses;
mod bearer;
mod commands;
mod data;
mod drain;
mod http;
mod http2;
mod kafka;
mod listener;
mod metrics;
mod start;
mod support;
mod tls;
mod tokens;
mod tokens_clients;
mod tokens_command;
mod tokens_kinds;
mod tokens_live;
mod tokens_scopes;
mod transports;
