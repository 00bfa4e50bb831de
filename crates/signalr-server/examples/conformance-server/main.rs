//! The hubs that clients are tested against, among them the functional tests of Microsoft's own clients.
//!
//! ```text
//! cargo run -p signalr-server --example conformance-server -- \
//!     [--http 127.0.0.1:5000] [--https 127.0.0.1:5001 --cert cert.pem --key key.pem] [--static DIR]
//! ```
//!
//! A certificate that will do, for `localhost` and `127.0.0.1`:
//!
//! ```text
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem
//! ```
//!
//! Each listener says `Now listening on: URL` once it is ready; port 0 is any free one. Ends on SIGTERM. Hubs are
//! `/testhub`, `/testhub-nowebsockets`, `/authorizedhub`, `/uncreatable` and `/checkhub`, and `/echo` is a connection
//! without hub protocol. Microsoft's tests take the URLs as `HTTPS;HTTP`, or the second alone. `site.rs` says what else is answered, and in which order.

mod any_case;
mod arguments;
mod check_hub;
mod cookies;
mod cors;
mod hubs;
mod listeners;
mod paths;
mod redirects;
mod request_context;
mod site;
mod static_files;
mod test_hub;
mod tokens;
mod values;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Arguments;
use crate::site::Site;

#[tokio::main]
async fn main() -> ExitCode {
    match serve(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: &Arguments) -> io::Result<()> {
    let site = Arc::new(Site::new(arguments.static_files.as_deref())?);
    let mut terminated = signal(SignalKind::terminate())?;
    listeners::listen_http(arguments.http, site.clone()).await?;
    if let Some(https) = arguments.https() {
        listeners::listen_https(https, site).await?;
    }
    terminated.recv().await;
    Ok(())
}
