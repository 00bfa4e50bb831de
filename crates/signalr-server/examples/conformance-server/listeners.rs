//! Plain and TLS listeners: both serve the same site.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use signalr_server::http;
use signalr_server::tls::Tls;
use tokio::net::{TcpListener, TcpStream};

use crate::arguments::Https;
use crate::site::Site;

/// Serves HTTP/1.1, and HTTP/2 to those who begin with it.
pub(crate) async fn listen_http(address: SocketAddr, site: Arc<Site>) -> io::Result<()> {
    let listener = bind(address, "http").await?;
    tokio::spawn(accept(listener, move |stream| {
        let site = site.clone();
        http::serve(stream, service_fn(move |request| answer(site.clone(), request, false)))
    }));
    Ok(())
}

/// Serves HTTP/1.1 and HTTP/2 over TLS.
pub(crate) async fn listen_https(https: Https<'_>, site: Arc<Site>) -> io::Result<()> {
    let tls = Tls::from_pem(&read(https.cert)?, &read(https.key)?)?;
    let listener = bind(https.address, "https").await?;
    tokio::spawn(accept(listener, move |stream| {
        let site = site.clone();
        tls.clone().serve(stream, service_fn(move |request| answer(site.clone(), request, true)))
    }));
    Ok(())
}

async fn answer(
    site: Arc<Site>,
    request: Request<Incoming>,
    is_secure: bool,
) -> Result<hyper::Response<signalr_server::Body>, Infallible> {
    Ok(site.answer(request, is_secure).await)
}

async fn bind(address: SocketAddr, scheme: &str) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    let listener =
        bound.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
    println!("Now listening on: {scheme}://{}", listener.local_addr()?);
    Ok(listener)
}

async fn accept<F: Future<Output = ()> + Send + 'static>(listener: TcpListener, serve: impl Fn(TcpStream) -> F) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream))),
            // The client's fault, or a lack of descriptors that will pass.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
