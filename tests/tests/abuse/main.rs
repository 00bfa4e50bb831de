//! The hostile client: what any client may send, in any order and at any speed, and what must hold all the same.

mod bodies;
mod connections;
mod descriptors;
mod frames;
mod heads;
mod isolation;
mod messages;
mod names;
mod noise;
mod origins;
mod process;
mod random;
mod raw;
mod readers;
mod secrets;
mod subscribers;
mod unfinished;
mod values;
mod witness;
