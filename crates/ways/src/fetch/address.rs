//! Which addresses may be asked. Names are looked at when they are resolved, and what was looked at is connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use access::is_public;
use futures::future::{BoxFuture, FutureExt};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{FetchError, Permits};

/// What can be told of an address before its name is resolved.
pub(super) fn check(url: &Url, permits: Permits) -> Result<(), FetchError> {
    match url.scheme() {
        "https" => {}
        "http" if permits.http => {}
        "http" => return Err(FetchError::Http),
        _ => return Err(FetchError::Failed("it is neither https nor http".to_owned())),
    }
    match literal(url) {
        Some(address) if !permits.private && !is_public(address) => Err(FetchError::Private(address)),
        _ => Ok(()),
    }
}

/// The address that stands in a URL in place of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Finds public addresses only.
pub(super) struct PublicOnly {
    lookup: Lookup,
}

type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

impl Default for PublicOnly {
    fn default() -> Self {
        let lookup = |name: String| async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }.boxed();
        Self { lookup: Arc::new(lookup) }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let found = found.await?;
            // All of them: of several, another may be tried next.
            match found.iter().map(SocketAddr::ip).find(|address| !is_public(*address)) {
                Some(address) => Err(FetchError::Private(address).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_literal_addresses_are_judged_unasked() {
        let private = |address: &str| Err(FetchError::Private(address.parse().unwrap()));
        let open = Permits { http: true, private: true };
        for (url, permits, expected) in [
            ("https://example.com/", Permits::default(), Ok(())),
            ("http://example.com/", Permits::default(), Err(FetchError::Http)),
            ("http://example.com/", Permits { http: true, private: false }, Ok(())),
            ("https://10.0.0.1/", Permits::default(), private("10.0.0.1")),
            ("https://0x7f.1/", Permits::default(), private("127.0.0.1")),
            ("https://[::ffff:169.254.169.254]/", Permits::default(), private("::ffff:169.254.169.254")),
            ("http://127.0.0.1:8080/", open, Ok(())),
            ("https://1.1.1.1/", Permits::default(), Ok(())),
        ] {
            assert_eq!(check(&url.parse().unwrap(), permits), expected, "{url}");
        }
        assert!(check(&"file:///etc/passwd".parse().unwrap(), open).is_err());
    }

    #[tokio::test]
    async fn a_name_is_refused_for_any_private_address_and_resolved_once() {
        for (found, is_refused) in [
            (vec!["1.1.1.1:0", "2606:4700::1111:0"], false),
            (vec!["1.1.1.1:0", "10.0.0.1:0"], true),
            (vec!["169.254.169.254:0"], true),
        ] {
            let addresses: Vec<SocketAddr> = found.iter().map(|text| address(text)).collect();
            let (asked, answer) = (Arc::new(std::sync::atomic::AtomicUsize::new(0)), addresses.clone());
            let counted = asked.clone();
            let lookup = move |_| {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                futures::future::ready(Ok(answer.clone())).boxed()
            };
            let resolver = PublicOnly { lookup: Arc::new(lookup) };
            let resolved = resolver.resolve("rebinding.test".parse().unwrap()).await;
            assert_eq!(resolved.is_err(), is_refused, "{found:?}");
            if let Ok(resolved) = resolved {
                assert_eq!(resolved.collect::<Vec<_>>(), addresses, "what was looked at is what is connected to");
            }
            assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
        }
    }

    fn address(text: &str) -> SocketAddr {
        let (host, port) = text.rsplit_once(':').unwrap();
        (host.parse::<IpAddr>().unwrap(), port.parse().unwrap()).into()
    }
}
