//! Hub methods about the streams of a topic as a whole. Source: Quix Streaming Reader API.

use std::sync::Arc;

use access::Right;
use signalr_server::{Caller, Hub, HubError};

use crate::active_streams::{Gate, State, StreamList, Subject};
use crate::gateway::Gateway;
use crate::subscriptions::Reach;
use crate::topic_metrics::MetricsList;

/// Adds the methods: `SubscribeToActiveStreams(topic)`, `SubscribeToTopicMetrics(topic)`, and their ends; `*` is every topic
/// that the caller may read, also those that come. Both answer with the state of the moment, behind which come its changes:
/// none is lost between, none told twice.
pub(super) fn methods(hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    let (streams, metrics) = (gateway.clone(), gateway.clone());
    let hub = hub
        .holding_method("SubscribeToActiveStreams", move |caller: Caller, (topic,): (String,)| {
            let gateway = streams.clone();
            async move { subscribe::<StreamList>(&gateway, &caller, &topic).await }
        })
        .holding_method("SubscribeToTopicMetrics", move |caller: Caller, (topic,): (String,)| {
            let gateway = metrics.clone();
            async move { subscribe::<MetricsList>(&gateway, &caller, &topic).await }
        });
    let hub = unsubscribe(hub, "UnsubscribeFromActiveStreams", Subject::Streams, gateway);
    unsubscribe(hub, "UnsubscribeFromTopicMetrics", Subject::Metrics, gateway)
}

async fn subscribe<S: State>(gateway: &Gateway, caller: &Caller, topic: &str) -> Result<(S, Vec<Gate>), HubError> {
    let visitor = gateway.visitor(caller);
    let reach = match topic {
        EVERY_TOPIC => Reach::AllTopics,
        topic => Reach::Topic(gateway.topic(visitor, topic).await?),
    };
    let subscribed = gateway.active_streams.subscribe(&reach, visitor, caller.connection()).await;
    if let (Err(_), Reach::Topic(topic)) = (&subscribed, &reach) {
        gateway.topics.forget(topic);
    }
    Ok(subscribed?)
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

const EVERY_TOPIC: &str = "*";
