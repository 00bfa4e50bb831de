//! Hub methods of the Reader. Source: Quix Streaming Reader API.

mod subscribe;

use std::sync::Arc;

use signalr_server::Hub;

use crate::gateway::Gateway;

/// Adds the methods.
pub(crate) fn methods(hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    subscribe::methods(hub, gateway)
}
