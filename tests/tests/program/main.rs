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
mod openapi;
mod reader;
mod reader_bounds;
mod reader_filters;
mod reader_kafka;
mod reader_segments;
mod reader_topics;
mod start;
mod streams;
mod support;
mod tls;
mod transports;
mod writer;
mod writer_forms;
mod writer_http;
