//! Hub methods of the Reader. Source: Quix Streaming Reader API.

use std::sync::Arc;

use signalr_server::{Caller, Hub, HubError};

use crate::gateway::Gateway;

/// Adds the methods: `SubscribeToPackages(topic)`, `UnsubscribeFromPackages(topic)`, and the names that one page of
/// Quix's documentation has for them.
pub(crate) fn methods(mut hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    for name in ["SubscribeToPackages", "SubscribeToTopicPackages"] {
        let gateway = gateway.clone();
        hub = hub.method(name, move |caller: Caller, (topic,): (String,)| {
            let gateway = gateway.clone();
            async move { subscribe_to_packages(&gateway, &caller, &topic).await }
        });
    }
    for name in ["UnsubscribeFromPackages", "UnsubscribeFromTopicPackages"] {
        let gateway = gateway.clone();
        hub = hub.method(name, move |caller: Caller, (topic,): (String,)| {
            let gateway = gateway.clone();
            async move { unsubscribe_from_packages(&gateway, &caller, &topic).await }
        });
    }
    hub
}

/// In force when it completes: every package acknowledged afterwards is delivered.
async fn subscribe_to_packages(gateway: &Gateway, caller: &Caller, topic: &str) -> Result<(), HubError> {
    let topic = gateway.topic(gateway.visitor(caller), topic).await?;
    let joined = gateway.subscriptions.join(&topic, caller.connection()).await;
    if joined.is_err() {
        gateway.topics.forget(&topic);
    }
    Ok(joined?)
}

/// Unsubscribing what was never subscribed, or from a topic that is not there, succeeds.
async fn unsubscribe_from_packages(gateway: &Gateway, caller: &Caller, topic: &str) -> Result<(), HubError> {
    if let Some(topic) = gateway.find_topic(gateway.visitor(caller), topic).await? {
        gateway.subscriptions.leave(&topic, caller.connection_id()).await;
    }
    Ok(())
}
