//! `/checkhub`: the methods of our own tests. `check_hub/` has their larger families.

mod notes;
mod sends;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use signalr_server::value::AnyValue;
use signalr_server::{Caller, CloseReason, ConnectionId, Hub, HubError, InvokeError};

use crate::request_context::FirstRequest;

/// What the disconnect handler was told, by connection.
type Disconnects = Arc<DashMap<ConnectionId, Vec<String>>>;

pub(crate) fn hub() -> Hub {
    let disconnects = Disconnects::default();
    let hub = Hub::new().context(FirstRequest::keep).on_connected(connected);
    let hub = calls(comings_and_goings(hub, disconnects));
    notes::methods(sends::methods(streams::methods(hub)))
}

/// Does what the query of the connection asks for.
async fn connected(caller: Caller) -> Result<(), HubError> {
    let asked = |name| FirstRequest::of(&caller).and_then(|request| request.query(name));
    if asked("fail").as_deref() == Some("1") {
        return Err(failure("no entry"));
    }
    if let Some(group) = asked("group") {
        caller.groups().add(caller.connection_id(), &group)?;
    }
    if asked("welcome").as_deref() == Some("1") {
        caller.itself().send("Welcome", &(caller.connection_id(),)).await?;
    }
    Ok(())
}

fn comings_and_goings(hub: Hub, disconnects: Disconnects) -> Hub {
    let told = disconnects.clone();
    hub.on_disconnected(move |caller: Caller, error: Option<String>| {
        told.entry(caller.connection_id()).or_default().push(error.unwrap_or_default());
        async {}
    })
    .method("Disconnects", move |_: Caller, (id,): (String,)| {
        let told = ConnectionId::parse(&id).and_then(|id| disconnects.get(&id).map(|told| told.clone()));
        async { Ok(told.unwrap_or_default()) }
    })
    .method("Abort", |caller: Caller, (): ()| async move {
        caller.connection().end(CloseReason::Ended);
        Ok(())
    })
}

fn calls(hub: Hub) -> Hub {
    hub.method("Nothing", |_: Caller, (): ()| async { Ok(()) })
        .method("EchoAny", |_: Caller, (value,): (AnyValue,)| async { Ok(value) })
        .method("Add", |_: Caller, (a, b): (i32, i32)| async move { Ok(a.wrapping_add(b)) })
        .method("Fail", |_: Caller, (text,): (String,)| async { Err::<(), _>(failure(text)) })
        .method("FailHub", |_: Caller, (text,): (String,)| async { Err::<(), _>(HubError::new(text)) })
        .method("Wait", |_: Caller, (millis,): (u64,)| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(())
        })
        .method("GetUserId", |caller: Caller, (): ()| async move { Ok(caller.user_id().map(str::to_owned)) })
        .method("OnlyUsers", |_: Caller, (): ()| async { Ok("welcome") })
        .require("OnlyUsers", |user| user.is_some())
        .method("Ask", |caller: Caller, (id, text): (String, String)| async move {
            let Some(connection) = ConnectionId::parse(&id) else {
                return Err(HubError::internal("IOException", format!("Connection '{id}' does not exist.")));
            };
            let answer: Result<AnyValue, InvokeError> =
                caller.clients().connection(connection).invoke("Question", &(text,)).await;
            Ok(answer?)
        })
}

fn failure(text: impl Into<String>) -> HubError {
    HubError::internal("InvalidOperationException", text)
}
