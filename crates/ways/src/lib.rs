//! The other ways in and out of a topic.

pub mod csv;
