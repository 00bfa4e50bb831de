//! The server asks a client and waits for its answer. `cargo run -p signalr-server --example ask [address]`
//!
//! In a page with Microsoft's client (7 or later): `connection.on("Agree", text => confirm(text))`, then
//! `connection.invoke("Propose", otherId, "Lunch?")` with the id another page got by `connection.invoke("Id")`.

use std::time::Duration;

use signalr_server::{Caller, ConnectionId, Hub, HubError, HubServer, Options};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("Questions at http://{}/ask", listener.local_addr()?);
    HubServer::new("/ask", questions(), Options::default()).serve(listener).await
}

fn questions() -> Hub {
    Hub::new().method("Id", |caller: Caller, (): ()| async move { Ok(caller.connection_id()) }).method(
        "Propose",
        |caller: Caller, (to, text): (ConnectionId, String)| async move {
            let other = caller.clients().connection(to);
            // Whoever is asked may think for ever; a question that is dropped ignores the answer.
            match timeout(Duration::from_secs(30), other.invoke::<bool>("Agree", &(text,))).await {
                Ok(agrees) => Ok(agrees?),
                Err(_) => Err(HubError::new("There was no answer in time.")),
            }
        },
    )
}
