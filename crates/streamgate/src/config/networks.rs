//! Addresses, and networks of them, as settings name them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// All addresses that begin with the same bits; one address has all of them. IPv4 in the clothes of IPv6 is IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    first: IpAddr,
    /// How many bits are the same; at least one.
    length: u32,
}

impl Network {
    /// Whether an address is of it.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()) & (u32::MAX << (32 - self.length)) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()) & (u128::MAX << (128 - self.length)) == 0
            }
            _ => false,
        }
    }
}

/// `ADDRESS` or `ADDRESS/BITS`. None of all addresses: everybody would be in it.
impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("must hold addresses and networks such as \"10.0.0.7\" or \"fd00::/8\", not {text:?}");
        let (address, length) =
            text.split_once('/').map_or((&*text, None), |(address, length)| (address, Some(length)));
        let first = address.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
        let all = if first.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Some(all), |length| length.parse().ok().filter(|length| (1..=all).contains(length)));
        length.map(|length| Self { first, length }).ok_or_else(wrong)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        let all = if network.first.is_ipv4() { 32 } else { 128 };
        let length = if network.length == all { Self::new() } else { format!("/{}", network.length) };
        format!("{}{length}", network.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        for (network, within, without) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.6"),
            ("10.0.0.7", "::ffff:10.0.0.7", "::a00:7"),
            ("10.0.0.0/8", "10.255.1.1", "11.0.0.0"),
            ("10.0.0.1/31", "10.0.0.0", "10.0.0.2"),
            ("128.0.0.0/1", "255.0.0.0", "127.255.255.255"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff::1", "fc00::1"),
            ("2001:db8:0:1::/64", "2001:db8:0:1:ffff::", "2001:db8:0:2::"),
        ] {
            let network = Network::try_from(network.to_owned()).unwrap();
            assert!(network.contains(within.parse().unwrap()), "{within}");
            assert!(!network.contains(without.parse().unwrap()), "{without}");
        }
    }

    #[test]
    fn what_is_none_is_refused_and_the_others_are_written_as_read() {
        for text in ["10.0.0.0/8", "10.0.0.7", "fd00::/8", "::1"] {
            assert_eq!(String::from(Network::try_from(text.to_owned()).unwrap()), text);
        }
        for text in ["", "proxy", "10.0.0.0/0", "::/0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.7:80"]
        {
            let error = Network::try_from(text.to_owned()).unwrap_err();
            assert!(error.starts_with("must hold addresses and networks") && error.contains(text), "{error}");
        }
    }
}
