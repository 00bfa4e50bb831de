//! Hub methods of the Writer. Source: Quix Streaming Writer API.

use std::sync::Arc;

use quix_model::Events;
use signalr_server::{Caller, Hub, HubError};

use crate::gateway::Gateway;

/// Adds the methods: `SendEventData(topic, streamId, events)`.
pub(crate) fn methods(hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    let gateway = gateway.clone();
    hub.pipelined_method(
        "SendEventData",
        move |caller: Caller, (topic, stream_id, events): (String, String, Events)| {
            let gateway = gateway.clone();
            async move { send_event_data(&gateway, &caller, &topic, &stream_id, &events).await }
        },
    )
}

/// Admits a call: once the topic is known the record is handed over, in the order of the calls. What is given back
/// completes when the broker has acknowledged it.
async fn send_event_data(
    gateway: &Gateway,
    caller: &Caller,
    topic: &str,
    stream_id: &str,
    events: &Events,
) -> Result<impl Future<Output = Result<(), HubError>> + Send + use<>, HubError> {
    let topic = gateway.topic_to_write(gateway.visitor(caller), topic).await?;
    let stored = gateway.append(&topic, stream_id, events)?;
    Ok(async move { Ok(stored.await?) })
}
