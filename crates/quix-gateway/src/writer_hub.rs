//! Hub methods of the Writer. Source: Quix Streaming Writer API.

use std::sync::Arc;

use quix_model::{
    EventDefinition, Events, LocatedDefinitions, Outgoing, ParameterData, ParameterDefinition, StreamEnd,
    StreamProperties,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use signalr_server::{Caller, Hub, HubError};

use crate::gateway::Gateway;

/// A stream that was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedStream {
    /// A new UUID, lower case with hyphens.
    pub(crate) stream_id: String,
}

impl CreatedStream {
    pub(crate) fn new() -> Self {
        Self { stream_id: uuid::Uuid::new_v4().to_string() }
    }
}

/// Adds the methods. Each takes a topic, but for `CreateStream` a stream id, and but for `CloseStream` a model:
///
/// - Quix's: `CreateStream`, `UpdateStream`, `CloseStream`, `SendParameterData`, `SendEventData`;
/// - ours, for what Quix has by HTTP only: `UpdateParameterDefinitions`, `UpdateEventDefinitions`.
pub(crate) fn methods(hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    type ParameterDefinitions = LocatedDefinitions<ParameterDefinition>;
    type EventDefinitions = LocatedDefinitions<EventDefinition>;

    let hub = method(hub, gateway, "SendEventData", |events: &Events| Outgoing::Events(events));
    let hub = method(hub, gateway, "SendParameterData", |data: &ParameterData| Outgoing::ParameterData(data));
    let hub = method(hub, gateway, "UpdateStream", |new: &StreamProperties| Outgoing::StreamProperties(new));
    let hub = method(hub, gateway, "UpdateParameterDefinitions", |list: &ParameterDefinitions| {
        Outgoing::ParameterDefinitions(&list.0)
    });
    let hub =
        method(hub, gateway, "UpdateEventDefinitions", |list: &EventDefinitions| Outgoing::EventDefinitions(&list.0));
    close_stream(create_stream(hub, gateway), gateway)
}

/// Adds a method of three arguments, the last of which is written.
fn method<M>(hub: Hub, gateway: &Arc<Gateway>, name: &str, outgoing: fn(&M) -> Outgoing<'_>) -> Hub
where
    M: DeserializeOwned + Send + Sync + 'static,
{
    let gateway = gateway.clone();
    hub.pipelined_method(name, move |caller: Caller, (topic, stream_id, model): (String, String, M)| {
        let gateway = gateway.clone();
        async move { admit(&gateway, &caller, &topic, &stream_id, outgoing(&model)).await }
    })
}

fn create_stream(hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    let gateway = gateway.clone();
    hub.pipelined_method("CreateStream", move |caller: Caller, (topic, properties): (String, StreamProperties)| {
        let gateway = gateway.clone();
        async move {
            let created = CreatedStream::new();
            let written = Outgoing::StreamProperties(&properties);
            let stored = admit(&gateway, &caller, &topic, &created.stream_id, written).await?;
            Ok(async move { stored.await.map(|()| created) })
        }
    })
}

fn close_stream(hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    let gateway = gateway.clone();
    hub.pipelined_method("CloseStream", move |caller: Caller, (topic, stream_id): (String, String)| {
        let gateway = gateway.clone();
        async move { admit(&gateway, &caller, &topic, &stream_id, Outgoing::StreamEnd(StreamEnd::Closed)).await }
    })
}

/// Admits a call: once the topic is known the records are handed over, in the order of the calls. What is given back
/// completes when the broker has acknowledged them.
async fn admit(
    gateway: &Gateway,
    caller: &Caller,
    topic: &str,
    stream_id: &str,
    outgoing: Outgoing<'_>,
) -> Result<impl Future<Output = Result<(), HubError>> + Send + use<>, HubError> {
    let topic = gateway.topic_to_write(gateway.visitor(caller), topic).await?;
    let stored = gateway.append(&topic, stream_id, outgoing)?;
    Ok(async move { Ok(stored.await?) })
}
