//! Methods that note the numbers they are called with, by connection.

use std::sync::Arc;

use dashmap::DashMap;
use signalr_server::{Caller, ConnectionId, Hub};

pub(super) fn methods(hub: Hub) -> Hub {
    let notes = Arc::<DashMap<ConnectionId, Vec<u32>>>::default();
    let noting = notes.clone();
    // The text is there to be carried.
    hub.method("Note", move |caller: Caller, (number, _text): (u32, String)| {
        noting.entry(caller.connection_id()).or_default().push(number);
        // Not done at once, so that others wait behind it.
        async move {
            tokio::task::yield_now().await;
            Ok(number)
        }
    })
    .method("Noted", move |_: Caller, (id,): (String,)| {
        let noted = ConnectionId::parse(&id).and_then(|id| notes.get(&id).map(|noted| noted.clone()));
        async { Ok(noted.unwrap_or_default()) }
    })
}
