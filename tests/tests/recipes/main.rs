//! The recipes as people run them: printed by the program, started by the command of their page, between Streamgate's own Kafka
//! listener and a real mosquitto, PostgreSQL, or files. `make test-long` runs these stories; `scripts/prepare recipes` sees to
//! what they need.
#![allow(clippy::unwrap_used)]

mod changes;
mod engine;
mod files;
mod kafka_connect;
mod mosquitto;
mod mqtt;
mod postgres;
mod quix;
mod rows;
mod telegraf;
mod topic;
