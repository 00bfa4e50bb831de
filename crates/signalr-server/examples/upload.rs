//! Numbers that are uploaded: their sum in the end, or the mean of all so far with each.
//! `cargo run -p signalr-server --example upload [address]`
//!
//! In a page with Microsoft's client: `const numbers = new signalR.Subject()`, `connection.invoke("Sum", numbers)` or
//! `connection.stream("Means", numbers)`, then `numbers.next(5)` … `numbers.complete()`.

use futures::{StreamExt, TryStreamExt};
use signalr_server::{Caller, Hub, HubServer, Options, Upload};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("Sums at http://{}/sums", listener.local_addr()?);
    HubServer::new("/sums", sums(), Options::default()).serve(listener).await
}

fn sums() -> Hub {
    Hub::new()
        .upload_method("Sum", |_: Caller, (): (), (numbers,): (Upload<f64>,)| {
            // An item that is no number, or a client that gives up, fails the call.
            numbers.try_fold(0.0, |sum, number| async move { Ok(sum + number) })
        })
        .upload_stream_method("Means", |_: Caller, (): (), (numbers,): (Upload<f64>,)| async move {
            Ok(numbers.enumerate().scan(0.0, |sum, (index, number)| {
                let mean = number.map(|number| {
                    *sum += number;
                    *sum / (index + 1) as f64
                });
                async move { Some(mean) }
            }))
        })
}
