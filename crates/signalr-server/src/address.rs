//! `ClientAddress`: where a request comes from, and how much of the server may be that address's.

use std::net::IpAddr;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

/// Where a request comes from. A host that knows puts one into the extensions of each request of a hub; without, nothing is
/// bounded by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// Those with the same are counted together. Who has one address of IPv6 has many: the network it is of serves better.
    pub address: IpAddr,
    /// Its open connections, whatever carries them: several may share a connection of HTTP. Past it 429. `None`: any number.
    pub max_connections: Option<u32>,
    /// Its negotiated and not yet used connections. Past it 429. `None`: any number.
    pub max_negotiated: Option<u32>,
}

/// How many of something each address has that is counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Arc<DashMap<IpAddr, u32>>);

/// One of them, while it is held.
#[derive(Debug)]
pub(crate) struct Seat {
    counts: Counts,
    address: IpAddr,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// For anybody.
    All,
    /// For this address.
    Address,
}

impl Counts {
    /// Takes one more, if there may be one; none if nobody counts.
    pub(crate) fn take(
        &self,
        client: Option<&ClientAddress>,
        most: impl FnOnce(&ClientAddress) -> Option<u32>,
    ) -> Result<Option<Seat>, Full> {
        let Some((client, most)) = client.and_then(|client| Some((client, most(client)?))) else { return Ok(None) };
        let mut held = self.0.entry(client.address).or_default();
        if *held >= most {
            return Err(Full::Address);
        }
        *held += 1;
        Ok(Some(Seat { counts: self.clone(), address: client.address }))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut held) = self.counts.0.entry(self.address) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_seats_and_none_is_remembered_for_nothing() {
        let counts = Counts::default();
        let take = |last: u8, most: Option<u32>| {
            let client =
                ClientAddress { address: [10, 0, 0, last].into(), max_connections: most, max_negotiated: None };
            counts.take(Some(&client), |client| client.max_connections)
        };
        let held = [take(1, Some(2)), take(1, Some(2)), take(2, Some(2))].map(Result::unwrap);
        assert_eq!(take(1, Some(2)).err(), Some(Full::Address));
        assert!(take(1, None).unwrap().is_none() && counts.take(None, |_| Some(0)).unwrap().is_none());
        drop(held);
        assert!(counts.0.is_empty());
        assert!(take(1, Some(1)).is_ok());
    }
}
