//! The embedded broker through whatever ends a server: killed under load, a full disk, a disk that fails.

mod archive;
mod caller;
mod dice;
mod failed_sync;
mod full_disk;
mod hub_reader;
mod kafka_writer;
mod load;
mod marks;
mod scripts;
mod server;
mod under_load;
mod verdict;
