//! Hub methods about the streams of a topic as a whole. Source: Quix Streaming Reader API.

use std::sync::Arc;

use access::Right;
use signalr_server::{Caller, Hub, HubError};

use crate::active_streams::Subject;
use crate::gateway::Gateway;
use crate::topics::Topic;

/// Adds the methods: `SubscribeToActiveStreams(topic)`, `SubscribeToTopicMetrics(topic)`, and their ends. Both answer with
/// the state of the moment, behind which come its changes: none is lost between, none told twice.
pub(super) fn methods(hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    let (streams, metrics) = (gateway.clone(), gateway.clone());
    let hub = hub
        .holding_method("SubscribeToActiveStreams", move |caller: Caller, (topic,): (String,)| {
            let gateway = streams.clone();
            async move {
                let topic = topic_of(&gateway, &caller, &topic).await?;
                let subscribed = gateway.active_streams.subscribe(&topic, caller.connection()).await;
                Ok(subscribed.inspect_err(|_| gateway.topics.forget(&topic))?)
            }
        })
        .holding_method("SubscribeToTopicMetrics", move |caller: Caller, (topic,): (String,)| {
            let gateway = metrics.clone();
            async move {
                let topic = topic_of(&gateway, &caller, &topic).await?;
                let subscribed = gateway.active_streams.subscribe_to_metrics(&topic, caller.connection()).await;
                Ok(subscribed.inspect_err(|_| gateway.topics.forget(&topic))?)
            }
        });
    let hub = unsubscribe(hub, "UnsubscribeFromActiveStreams", Subject::Streams, gateway);
    unsubscribe(hub, "UnsubscribeFromTopicMetrics", Subject::Metrics, gateway)
}

/// Unsubscribing what was never subscribed, or from a topic that is not there, succeeds.
fn unsubscribe(hub: Hub, name: &str, subject: Subject, gateway: &Arc<Gateway>) -> Hub {
    let gateway = gateway.clone();
    hub.method(name, move |caller: Caller, (topic,): (String,)| {
        let gateway = gateway.clone();
        async move {
            let known = gateway.topics.known(gateway.visitor(&caller), Right::Read, &topic);
            let topic = known.as_ref().map_or(&topic, |known| &known.name);
            gateway.active_streams.unsubscribe(subject, topic, caller.connection_id()).await;
            Ok(())
        }
    })
}

/// Each topic that is followed so is read from some way back, so all of them at a word would be too much.
async fn topic_of(gateway: &Gateway, caller: &Caller, text: &str) -> Result<Arc<Topic>, HubError> {
    if text == EVERY_TOPIC {
        return Err(HubError::new(
            "The streams of all topics at once cannot be followed: name the topic instead of '*', in one call for each.",
        ));
    }
    Ok(gateway.topic(gateway.visitor(caller), text).await?)
}

const EVERY_TOPIC: &str = "*";
