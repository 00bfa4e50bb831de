//! Subscribing to what topics hold, and ending it: packages, parameters, events, definitions.
//!
//! Topics are told by name or id, or `*` for all; streams, parameters and events by their exact ids, or `*`.

use std::sync::Arc;

use access::Right;
use signalr_server::{Caller, FromArguments, Hub, HubError};

use crate::audience::Ending;
use crate::errors::Failure;
use crate::gateway::Gateway;
use crate::subscription::{Kind, Scope, Select, Subscription};
use crate::subscriptions::Reach;

/// Adds the methods: `SubscribeToX` and `UnsubscribeFromX` with the same arguments, X being `Packages(topic)`,
/// `Parameter(topic, streamId, parameterId)`, `Event(topic, streamId, eventId)`, `ParameterDefinitions(topic, streamId)` or
/// `EventDefinitions(topic, streamId)`; and `UnsubscribeFromStream(topic, streamId)`.
pub(crate) fn methods(mut hub: Hub, gateway: &Arc<Gateway>) -> Hub {
    // The second is what one page of Quix's documentation calls it.
    for what in ["Packages", "TopicPackages"] {
        hub = pair(hub, gateway, what, |(topic,): (String,)| Wish::new(Kind::Packages, topic, ALL, ALL));
    }
    for (what, kind) in [("Parameter", Kind::Parameters), ("Event", Kind::Events)] {
        hub = pair(hub, gateway, what, move |(topic, stream, id): (String, String, String)| {
            Wish::new(kind, topic, stream, id)
        });
    }
    for (what, kind) in
        [("ParameterDefinitions", Kind::ParameterDefinitions), ("EventDefinitions", Kind::EventDefinitions)]
    {
        hub = pair(hub, gateway, what, move |(topic, stream): (String, String)| Wish::new(kind, topic, stream, ALL));
    }
    let gateway = gateway.clone();
    hub.method("UnsubscribeFromStream", move |caller: Caller, (topic, stream): (String, String)| {
        let gateway = gateway.clone();
        async move {
            end(&gateway, &caller, &topic, |scope| Ending::Stream(Select::of(&stream), scope)).await;
            Ok(())
        }
    })
}

/// What a call names.
struct Wish {
    kind: Kind,
    topic: String,
    stream: String,
    id: String,
}

/// All topics, streams, parameters or events.
const ALL: &str = "*";

/// Two methods with the same arguments.
fn pair<A: FromArguments + Send + 'static>(
    hub: Hub,
    gateway: &Arc<Gateway>,
    what: &str,
    wish: impl Fn(A) -> Wish + Clone + Send + Sync + 'static,
) -> Hub {
    let (to, from) = (gateway.clone(), gateway.clone());
    let wish_to_end = wish.clone();
    let hub = hub.method(&format!("SubscribeTo{what}"), move |caller: Caller, arguments: A| {
        let (gateway, wish) = (to.clone(), wish(arguments));
        async move { subscribe(&gateway, &caller, &wish).await }
    });
    hub.method(&format!("UnsubscribeFrom{what}"), move |caller: Caller, arguments: A| {
        let (gateway, wish) = (from.clone(), wish_to_end(arguments));
        async move {
            end(&gateway, &caller, &wish.topic, |scope| Ending::One(wish.subscription(scope))).await;
            Ok(())
        }
    })
}

/// In force when it completes: every package acknowledged afterwards counts.
async fn subscribe(gateway: &Gateway, caller: &Caller, wish: &Wish) -> Result<(), HubError> {
    wish.check(gateway)?;
    let visitor = gateway.visitor(caller);
    let reach = match wish.topic.as_str() {
        ALL => Reach::AllTopics,
        topic => Reach::Topic(gateway.topic(visitor, topic).await?),
    };
    let subscription = wish.subscription(reach.scope());
    let subscribed = gateway.subscriptions.subscribe(&reach, visitor, caller.connection(), subscription).await;
    if let (Err(Failure::Read(_)), Reach::Topic(topic)) = (&subscribed, &reach) {
        gateway.topics.forget(topic);
    }
    Ok(subscribed?)
}

/// Ending what was never begun, or is of a topic that is not there, succeeds.
async fn end(gateway: &Gateway, caller: &Caller, topic: &str, ending: impl FnOnce(Scope) -> Ending) {
    let id = caller.connection_id();
    let reach = match topic {
        ALL => Some(Reach::AllTopics),
        topic => {
            let known = gateway.topics.known(gateway.visitor(caller), Right::Read, topic);
            known.or_else(|| gateway.subscriptions.followed(id, topic)).map(Reach::Topic)
        }
    };
    if let Some(reach) = reach {
        gateway.subscriptions.unsubscribe(&reach, id, ending(reach.scope())).await;
    }
}

impl Wish {
    fn new(kind: Kind, topic: String, stream: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind, topic, stream: stream.into(), id: id.into() }
    }

    fn subscription(&self, scope: Scope) -> Subscription {
        Subscription { kind: self.kind, stream: Select::of(&self.stream), id: Select::of(&self.id), scope }
    }

    /// What is asked for is kept as long as the connection, so it has the Writer's bounds.
    fn check(&self, gateway: &Gateway) -> Result<(), Failure> {
        let limit = gateway.settings.max_name_bytes;
        let id = if self.kind == Kind::Events { "event id" } else { "parameter id" };
        match [("stream id", &self.stream), (id, &self.id)].into_iter().find(|(_, name)| name.len() > limit) {
            None => Ok(()),
            Some((what, _)) => {
                gateway.metrics.limit_hit("names");
                Err(Failure::NameTooLong { what, limit })
            }
        }
    }
}
