//! Hub methods of the Reader. Source: Quix Streaming Reader API.

mod streams;
mod subscribe;

use std::sync::Arc;

use signalr_server::Hub;

use crate::gateway::Gateway;

/// Adds the methods.
pub(crate) fn methods(hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    streams::methods(subscribe::methods(hub, gateway), gateway)
}
