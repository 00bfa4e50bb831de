//! Whom a proxy forwards a request of. What the headers say is believed of proxies that the configuration trusts, and of them
//! only as far as it was they who wrote it: from the last entry backwards, to the first that is no such proxy.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{self, HeaderMap, HeaderName};

use crate::config::Network;

/// The client's address: of `Forwarded` or `X-Forwarded-For`, if the peer is a trusted proxy, else the peer. Where the two
/// headers name different clients one was not written by the proxy, and neither is believed.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let standard = || entries(headers, &header::FORWARDED).map(forwarded_for);
    // Some proxies say other things there, and the client's address in the usual place.
    let standard = standard().any(|client| client.is_some()).then(|| last_untrusted(peer, standard(), is_trusted));
    let standard = standard.flatten();
    let usual = last_untrusted(peer, entries(headers, &X_FORWARDED_FOR).map(Some), is_trusted);
    match (standard, usual) {
        (Some(one), None) | (None, Some(one)) => one,
        (Some(one), Some(other)) if one == other => one,
        _ => peer,
    }
}

/// Of entries from the last to the first. One that names nobody was written by the one before it, who then counts.
fn last_untrusted<'e>(
    peer: IpAddr,
    entries: impl Iterator<Item = Option<&'e str>>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut last = None;
    for entry in entries {
        let Some(address) = entry.and_then(address) else { return last.or(Some(peer)) };
        last = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    last
}

/// The entries of a list that may come in several lines, from the last on. A line that is no text is one entry.
fn entries<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter().rev();
    lines.flat_map(|line| line.to_str().unwrap_or(NOBODY).rsplit(','))
}

/// Whom an entry of `Forwarded` (RFC 7239) is for: its parameter `for`, in quotes or not. Quotes end with the entry: those
/// of a client cannot hide what the proxy wrote behind them.
fn forwarded_for(entry: &str) -> Option<&str> {
    let mut pairs = entry.split(';').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    match value.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"'),
        None => Some(value),
    }
}

/// An address with or without port; IPv6 in brackets or, without port, not.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What names no client.
const NOBODY: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    #[test]
    fn the_last_entry_that_is_no_trusted_proxys_is_the_client() {
        let long = format!("{}203.0.113.7", "1.1.1.1, ".repeat(3000));
        for (entries, client) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            // Whatever the client wrote stands before it.
            ("127.0.0.1, 203.0.113.7", "203.0.113.7"),
            ("10.0.0.2, 203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, garbage, 203.0.113.7", "203.0.113.7"),
            (&long, "203.0.113.7"),
            // Through two of the proxies.
            ("1.1.1.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
            ("203.0.113.7,10.0.0.2,::ffff:10.0.0.3", "203.0.113.7"),
            // A proxy is asked for itself.
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            // Nobody knows what a proxy has forwarded: it counts itself.
            ("", PROXY),
            ("unknown", PROXY),
            ("_hidden", PROXY),
            ("1.1.1.1, unknown", PROXY),
            ("1.1.1.1,", PROXY),
            ("203.0.113.7 1.1.1.1", PROXY),
            ("203.0.113.7:99999", PROXY),
            ("1.1.1.1, localhost, 10.0.0.2", "10.0.0.2"),
            ("1.1.1.1; for=203.0.113.7", PROXY),
        ] {
            assert_eq!(told(PROXY, &[("x-forwarded-for", entries)]), client, "{entries}");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_standard_has_it() {
        for (entries, client) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:4711\"", "203.0.113.7"),
            ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("by=10.0.0.1;for=203.0.113.7;host=example.com;proto=https", "203.0.113.7"),
            ("proto=https ; for=203.0.113.7", "203.0.113.7"),
            ("for=1.1.1.1, for=203.0.113.7, for=10.0.0.2", "203.0.113.7"),
            ("for=203.0.113.7, proto=https", PROXY),
            ("for=unknown", PROXY),
            ("for=1.1.1.1, for=_hidden", PROXY),
            ("for=\"203.0.113.7", PROXY),
            ("for=", PROXY),
            // What a client has put into quotes does not reach beyond its own entry.
            ("for=\"1.1.1.1, for=203.0.113.7", "203.0.113.7"),
            ("for=1.1.1.1;x=\", for=2.2.2.2, \", for=203.0.113.7", "203.0.113.7"),
            ("proto=https", PROXY),
        ] {
            assert_eq!(told(PROXY, &[("forwarded", entries)]), client, "{entries}");
        }
    }

    #[test]
    fn lines_are_one_list_and_headers_that_differ_are_not_believed() {
        let usual = |text| ("x-forwarded-for", text);
        let standard = |text| ("forwarded", text);
        for (headers, client) in [
            (vec![usual("1.1.1.1"), usual("203.0.113.7")], "203.0.113.7"),
            (vec![usual("203.0.113.7"), usual("10.0.0.2")], "203.0.113.7"),
            (vec![usual("203.0.113.7"), usual("\u{e9}")], PROXY),
            (vec![usual("203.0.113.7"), standard("for=203.0.113.7")], "203.0.113.7"),
            (vec![usual("203.0.113.7"), standard("for=1.1.1.1")], PROXY),
            (vec![usual("203.0.113.7"), standard("for=unknown")], PROXY),
            (vec![usual("203.0.113.7"), standard("proto=https")], "203.0.113.7"),
            (vec![("x-real-ip", "1.1.1.1"), ("x-forwarded-host", "1.1.1.1")], PROXY),
            (vec![], PROXY),
        ] {
            assert_eq!(told(PROXY, &headers), client, "{headers:?}");
        }
    }

    #[test]
    fn others_are_not_believed() {
        for peer in ["203.0.113.9", "127.0.0.1", "2001:db8::1", "11.0.0.1"] {
            for header in
                [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "10.0.0.1")]
            {
                assert_eq!(told(peer, &[header]), peer, "{header:?}");
            }
        }
        assert_eq!(told("::ffff:10.0.0.1", &[("x-forwarded-for", "1.1.1.1")]), "1.1.1.1");
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, "1.1.1.1".parse().unwrap());
        let peer = PROXY.parse().unwrap();
        assert_eq!(client(peer, &headers, &[]), peer, "nobody is trusted unless that is said");
    }

    /// Where the proxies are of 10.0.0.0/8.
    fn told(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, hyper::header::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted = [Network::try_from("10.0.0.0/8".to_owned()).unwrap()];
        client(peer.parse().unwrap(), &map, &trusted).to_string()
    }
}
