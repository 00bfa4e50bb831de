//! Topics to subscribers: the narrow [`Broker`](broker::Broker) trait and its kinds. Knows no websockets.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use kafka_bridge::{broker::Broker, feed::{FeedEvent, Feeds}, memory::MemoryBroker, record::NewRecord};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Arc::new(MemoryBroker::new());
//! broker.create_topic("f1", None).await?;
//! let feeds = Feeds::new(broker.clone(), Duration::from_secs(60));
//! let mut following = feeds.follow("f1").await?;
//!
//! let stored = broker.append("f1", NewRecord { key: Some(b"car-1"), value: b"{}", headers: &[] })?.await?;
//! assert_eq!((stored.partition, stored.offset), (0, 0));
//! let event = following.recv().await.expect("the feed runs");
//! assert!(matches!(&*event, FeedEvent::Batch(batch) if batch.records[0].offset == 0));
//! # Ok(())
//! # }
//! ```

pub mod broker;
#[cfg(feature = "contract")]
pub mod contract;
pub mod embedded;
pub mod feed;
pub mod kafka;
pub mod memory;
pub mod metrics;
pub mod misbehaving;
pub mod names;
pub mod partitioner;
pub mod prefixed;
pub mod record;
pub mod topic_settings;
