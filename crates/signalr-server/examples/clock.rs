//! A clock that streams. `cargo run -p signalr-server --example clock [address]`
//!
//! In a page with Microsoft's client: `connection.stream("Tick", 1000).subscribe({ next: console.log })`, and to stop it
//! `dispose()` on what that gives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{Stream, StreamExt, stream};
use signalr_server::{Caller, Hub, HubError, HubServer, Options};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("A clock at http://{}/clock", listener.local_addr()?);
    HubServer::new("/clock", clock(), Options::default()).serve(listener).await
}

fn clock() -> Hub {
    Hub::new().stream_method("Tick", |_: Caller, (millis,): (u64,)| async move {
        if millis == 0 {
            return Err(HubError::new("A clock needs a pause between its ticks."));
        }
        Ok(ticks(Duration::from_millis(millis)))
    })
}

/// Seconds since 1970, for ever: the stream is dropped when the client cancels it or goes.
fn ticks(pause: Duration) -> impl Stream<Item = Result<f64, HubError>> {
    stream::repeat(()).then(move |()| async move {
        tokio::time::sleep(pause).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map(|since| since.as_secs_f64()).map_err(|_| HubError::new("It is before 1970 here."))
    })
}
