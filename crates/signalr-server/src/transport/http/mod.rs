//! Server-Sent Events and long polling: connections whose input comes by POST requests and whose output goes out in the
//! bodies of responses.

mod events;
mod input;
mod polls;

use std::sync::Arc;

use super::Transport;
use crate::clock;
use crate::connection::ConnectionHandle;

pub(crate) use events::EventStream;
pub(crate) use input::{Input, NotTaken};
pub(crate) use polls::{Answered, Poll, Polls};

/// What the requests of one connection share with its task.
#[derive(Debug)]
pub(crate) struct HttpConnection {
    pub(crate) transport: Transport,
    pub(crate) handle: ConnectionHandle,
    pub(crate) input: Arc<Input>,
    pub(crate) polls: Polls,
}

impl HttpConnection {
    pub(crate) fn new(transport: Transport, handle: ConnectionHandle, input: Arc<Input>) -> Self {
        Self { transport, handle, input, polls: Polls::new(clock::now()) }
    }
}
