//! Boards that pages watch, and a ticker outside of the hub that writes on them.
//! `cargo run -p signalr-server --example groups [address]`
//!
//! In a page with Microsoft's client: `connection.invoke("Watch", ["a", "b"])` and a handler for `news(board, number)`;
//! `connection.invoke("Point", "a", "here!")` shows `pointed(text)` to the others who watch it.

use std::time::Duration;

use signalr_server::{Caller, Clients, Hub, HubServer, Options};

const BOARDS: [&str; 3] = ["a", "b", "c"];

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("Boards at http://{}/boards", listener.local_addr()?);
    let server = HubServer::new("/boards", boards(), Options::default());
    tokio::spawn(write(server.clients()));
    server.serve(listener).await
}

fn boards() -> Hub {
    Hub::new()
        .method("Watch", |caller: Caller, (boards,): (Vec<String>,)| async move {
            for board in &boards {
                caller.groups().add(caller.connection_id(), board)?;
            }
            Ok(())
        })
        .method("Leave", |caller: Caller, (board,): (String,)| async move {
            caller.groups().remove(caller.connection_id(), &board)
        })
        .method("Point", |caller: Caller, (board, text): (String, String)| async move {
            Ok(caller.others_in_group(&board).send("pointed", &(text,)).await?)
        })
}

/// Each second a number for one board, and at the end of a round a word for whoever watches any.
async fn write(clients: Clients) {
    for number in 0_u64.. {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let board = BOARDS[number as usize % BOARDS.len()];
        let written = clients.group(board).send("news", &(board, number)).await;
        if board == BOARDS[2] && written.is_ok() {
            let _ = clients.groups(&BOARDS).send("round", &()).await;
        }
    }
}
