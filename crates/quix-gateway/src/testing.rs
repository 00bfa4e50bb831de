//! What benchmarks need of the inside of this crate; no part of its API.

use std::sync::Arc;

use kafka_bridge::record::Record;
use signalr_server::{ConnectionId, Encoding};

use crate::audience::{Desk, Member, Reading};
use crate::metrics::Metrics;
use crate::subscription::{Kind, Scope, Select, Subscription};
use crate::topics::Topic;

/// A topic's subscribers without their sockets.
#[derive(Debug)]
pub struct Subscribers(Desk<Nobody>);

#[derive(Debug, Clone)]
struct Nobody(ConnectionId);

impl Member for Nobody {
    fn id(&self) -> ConnectionId {
        self.0
    }

    fn encoding(&self) -> Encoding {
        Encoding::Json
    }
}

impl Subscribers {
    /// So many, of which each wants the parameters that `wanted` gives for its number, of all streams.
    ///
    /// # Panics
    /// If there are more than ids of connections.
    pub fn of_parameters<'a, I: Iterator<Item = &'a str>>(count: usize, wanted: impl Fn(usize) -> I) -> Self {
        let topic = Topic { name: "f1-data".to_owned(), id: "ws-f1-data".to_owned() };
        let mut desk = Desk::new(Arc::new(topic), Reading::default(), &Metrics::default());
        for number in 0..count {
            let id = ConnectionId::parse(&format!("{number:022}")).expect("22 digits are an id");
            for parameter in wanted(number) {
                let (stream, parameter) = (Select::All, Select::of(parameter));
                let wish = Subscription { kind: Kind::Parameters, stream, id: parameter, scope: Scope::Topic };
                desk.book.add(id, &Nobody(id), wish);
            }
        }
        desk.settle();
        Self(desk)
    }

    /// Filters and encodes a record for all of them; the number of those who get a frame.
    pub fn encode(&mut self, record: &Record) -> usize {
        let mut count = 0;
        self.0.gather(record, |audiences, chunk| {
            count += chunk.parcels.iter().map(|parcel| audiences.members(parcel.audience).len()).sum::<usize>();
        });
        let parcels = self.0.take().map(|chunk| chunk.parcels).unwrap_or_default();
        count + parcels.iter().map(|parcel| self.0.members(parcel.audience).len()).sum::<usize>()
    }
}
