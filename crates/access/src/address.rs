//! `is_public`: which addresses a server may be sent to by a name that others control.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether everybody would reach the same host by this address. Addresses of a machine, of a network or of a provider's
/// customers are not public, nor are multicast, examples of documents, and ranges kept for protocols; IPv4 in the clothes
/// of IPv6 is judged as what it is, or not public where a relay decides what that is (6to4, Teredo).
///
/// Source: the registries of special-purpose addresses (RFC 6890), IPv6 global unicast (RFC 4291, 2.4).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !match address.octets() {
        // This network; private and loopback.
        [0 | 10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] => true,
        // Shared by the customers of a provider (RFC 6598); link-local, cloud metadata among it.
        [100, 64..=127, ..] | [169, 254, ..] => true,
        // For protocols (RFC 6890), relays of 6to4 (RFC 7526), measurements (RFC 2544).
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => true,
        // Examples in documents (RFC 5737).
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Multicast, for later if ever (RFC 1112), broadcast.
        [224..=255, ..] => true,
        _ => false,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // IPv4 through a translator (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(Ipv4Addr::from_bits(address.to_bits() as u32)),
        // For protocols, Teredo among them (RFC 2928); examples in documents (RFC 3849, RFC 9637); 6to4 (RFC 3056).
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2002, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_those_of_a_machine_or_network() {
        // The first and the last of each range, and its neighbours.
        let ranges = [
            ("0.0.0.0", "0.255.255.255"),
            ("10.0.0.0", "10.255.255.255"),
            ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"),
            ("169.254.0.0", "169.254.255.255"),
            ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"),
            ("192.0.2.0", "192.0.2.255"),
            ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"),
            ("198.18.0.0", "198.19.255.255"),
            ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"),
            ("224.0.0.0", "255.255.255.255"),
        ];
        for (first, last) in ranges.map(|(first, last)| (bits(first), bits(last))) {
            let is_refused = |bits| !is_public(Ipv4Addr::from_bits(bits).into());
            assert!(is_refused(first) && is_refused(last), "{}", Ipv4Addr::from_bits(first));
            let neighbours = [first.checked_sub(1), last.checked_add(1)];
            assert!(!neighbours.into_iter().flatten().any(is_refused), "beside {}", Ipv4Addr::from_bits(first));
        }
    }

    #[test]
    fn addresses_of_ipv6_are_public_where_they_lead_to_one_host() {
        let refused = ":: ::1 ::127.0.0.1 ::1.1.1.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:198.18.0.1 ::ffff:0:1.1.1.1 \
            64:ff9b::10.0.0.1 64:ff9b::192.0.0.1 64:ff9b:1::1 64:ff9b:1:ffff::1.1.1.1 64:ff9b:0:1::1 100::1 1fff::1 2001::1 \
            2001:1ff::1 2001:db8::1 2002::1 2002:0a00:0001::1 2002:ffff::1 3fff:0::1 3fff:fff::1 4000::1 5f00::1 fc00::1 \
            fd12::1 fe80::1 fec0::1 ff02::1";
        for text in refused.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let public = "::ffff:1.1.1.1 64:ff9b::1.1.1.1 2000::1 2001:200::1 2001:db7::1 2001:db9::1 2003::1 2606:4700::1111 \
            3ffe::1 3fff:1000::1";
        for text in public.split_whitespace() {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    fn bits(text: &str) -> u32 {
        text.parse::<Ipv4Addr>().unwrap().to_bits()
    }
}
