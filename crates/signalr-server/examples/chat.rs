//! A chat: join a room, say something to it, see others come and go. `cargo run -p signalr-server --example chat [address]`
//!
//! In a page with Microsoft's client: `connection.invoke("Join", "lobby", "Ann")`, `connection.invoke("Say", "lobby", "hi")`,
//! and handlers for `said(name, text)`, `joined(name)`, `connected(id)` and `left(id)`.

use std::sync::Arc;

use dashmap::DashMap;
use signalr_server::{Caller, ConnectionId, Hub, HubError, HubServer, Options};

type Names = Arc<DashMap<ConnectionId, String>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("A chat at http://{}/chat", listener.local_addr()?);
    HubServer::new("/chat", chat(), Options::default()).serve(listener).await
}

fn chat() -> Hub {
    let names = Names::default();
    let (joining, talking, leaving) = (names.clone(), names.clone(), names);
    Hub::new()
        .on_connected(|caller: Caller| async move {
            let id = caller.connection_id();
            Ok(caller.clients().all_except(&[id]).send("connected", &(id.as_str(),)).await?)
        })
        .method("Join", move |caller: Caller, (room, name): (String, String)| {
            joining.insert(caller.connection_id(), name.clone());
            async move {
                caller.groups().add(caller.connection_id(), &room)?;
                Ok(caller.clients().group(&room).send("joined", &(name,)).await?)
            }
        })
        .method("Say", move |caller: Caller, (room, text): (String, String)| {
            let name = talking.get(&caller.connection_id()).map(|name| name.clone());
            async move {
                let name = name.ok_or_else(|| HubError::new("Join a room first."))?;
                Ok(caller.clients().group(&room).send("said", &(name, text)).await?)
            }
        })
        .on_disconnected(move |caller: Caller, _| {
            leaving.remove(&caller.connection_id());
            async move {
                let id = caller.connection_id();
                // Nobody is left to tell of a failure.
                let _ = caller.clients().all_except(&[id]).send("left", &(id.as_str(),)).await;
            }
        })
}
