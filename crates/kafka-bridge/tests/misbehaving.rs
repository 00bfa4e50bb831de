//! The faults that the misbehaving broker plays.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use futures::FutureExt;
use kafka_bridge::broker::{AckError, Broker, BrokerError, Delivery, Health, NotWritten, Start};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;
use kafka_bridge::record::NewRecord;

const RECORD: NewRecord<'static> = NewRecord { key: None, value: b"x", headers: &[] };

#[tokio::test]
async fn held_acknowledgements_come_when_released() {
    let broker = broker().await;
    broker.hold_acks();
    let mut acks: Vec<_> = (0..3).map(|_| broker.append("t", RECORD).unwrap()).collect();
    assert_eq!(broker.held(), 3);
    assert!(acks.iter_mut().all(|ack| ack.now_or_never().is_none()));
    assert!(!broker.flush().await, "some are not answered");
    assert_eq!(broker.release_acks(), 3);
    assert!(broker.flush().await);
    for (ack, offset) in acks.into_iter().zip(0..) {
        assert_eq!(ack.await.unwrap().offset, offset);
    }
}

#[tokio::test]
async fn refusals_are_as_told_and_end() {
    let broker = broker().await;
    broker.refuse_appends(Some(NotWritten::BacklogFull));
    assert_eq!(broker.append("t", RECORD).map(drop), Err(NotWritten::BacklogFull));
    broker.refuse_appends(None);
    assert_eq!(broker.append("t", RECORD).unwrap().await.unwrap().offset, 0);
}

#[tokio::test]
async fn death_makes_unknown_and_stalls_and_ends() {
    let broker = broker().await;
    let mut reader = broker.read("t", Start::End).await.unwrap();
    broker.hold_acks();
    let held = broker.append("t", RECORD).unwrap();
    broker.die();
    assert_eq!(held.await, Err(AckError::OutcomeUnknown));
    assert_eq!(broker.append("t", RECORD).unwrap().await, Err(AckError::OutcomeUnknown));
    assert_eq!(broker.topics().await, Err(BrokerError::Unreachable));
    assert!(matches!(broker.health(), Health::Unreachable { .. }));
    assert!(reader.next().now_or_never().is_none());
    broker.revive();
    assert_eq!(broker.health(), Health::Reachable);
    let Some(Delivery::Batch(batch)) = reader.next().await else { panic!("the record stored before it died") };
    assert_eq!(batch.records.len(), 1);
}

async fn broker() -> Arc<MisbehavingBroker> {
    let broker = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
    broker.create_topic("t", None).await.unwrap();
    broker
}
