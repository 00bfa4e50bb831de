//! Reads from old positions, over librdkafka's broker for tests.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::*;
use crate::metrics::Cause;

#[test]
fn what_a_successor_does_not_take_over_is_read_after_all() {
    let stage = Stage::set();
    let mut replay = stage.left_by_its_successor();
    let (sender, _receiver) = mpsc::channel(1);
    let mut due = Vec::new();
    until(|| {
        replay.poll(&mut due);
        assert!(replay.hand_over(&sender).is_ok());
        replay.handing_over.is_none()
    });
    stage.reads_on(&mut replay, due);
}

#[test]
fn so_it_is_when_partitions_come_while_it_is_handed_over() {
    let stage = Stage::set();
    let mut replay = stage.left_by_its_successor();
    let mut due = Vec::new();
    until(|| {
        replay.poll(&mut due);
        replay.handing_over.as_ref().is_some_and(|(_, reached)| reached[0])
    });
    replay.grow(Described { partitions: 2, ..replay.described });
    let (sender, _receiver) = mpsc::channel(1);
    assert!(replay.hand_over(&sender).is_ok() && replay.handing_over.is_none());
    stage.reads_on(&mut replay, due);
}

#[test]
fn the_end_of_a_leader_that_is_behind_is_no_end() {
    let stage = Stage::set();
    let mut replay = stage.replay();
    replay.caught_up = vec![false];
    stage.write(2); // of three that there were when it was asked
    assert!(replay.assign(&[PartitionPositions { partition: 0, earliest: 0, end: 3 }]).unwrap().is_empty());
    replay.handing_over = Some((Successor::that_left(vec![3]), vec![false]));
    let has_reached = |replay: &Replay| replay.handing_over.as_ref().is_some_and(|(_, reached)| reached[0]);
    let mut due = Vec::new();
    until(|| {
        replay.poll(&mut due);
        replay.out_of_range || has_reached(&replay)
    });
    assert!(!has_reached(&replay) && !due.contains(&CAUGHT_UP), "{due:?}");
    stage.write(1);
    replay.assign_again().unwrap();
    until(|| {
        replay.poll(&mut due);
        has_reached(&replay)
    });
    assert!(offsets(&due) == [0, 1, 2] && due.last() == Some(&CAUGHT_UP), "{due:?}");
}

#[test]
fn markers_of_transactions_may_be_all_that_is_left() {
    let rows =
        [(90, 100, 90, false), (90, 100, 100, true), (90, 100, -1, false), (100, 100, 100, true), (5, 0, -1, true)];
    for (next, end, watermark, is) in rows {
        assert_eq!(is_end(next, end, watermark), is, "{next} of {end}, {watermark}");
    }
}

#[test]
fn records_that_cannot_be_read_are_counted() {
    let stage = Stage::set();
    stage.write(1);
    stage.cluster.request_errors(RDKafkaApiKey::Fetch, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_MSG]);
    let mut replay = stage.replay();
    replay.assign_again().unwrap();
    let damaged = || stage.replays.metrics.read_errors.get_or_create(&Cause { cause: "damaged" }).get();
    let mut due = Vec::new();
    until(|| {
        replay.poll(&mut due);
        damaged() > 0
    });
    assert_eq!(damaged(), 1);
}

#[test]
fn of_a_topic_that_grew_all_partitions_are_to_be_handed_over() {
    let stage = Stage::set();
    let mut replay = stage.replay();
    let grown = Described { partitions: 3, ..replay.described };
    replay.grow(grown);
    assert_eq!((&replay.next, &replay.caught_up), (&vec![0; 3], &vec![true; 3]));
    assert!(replay.described.is_same(grown), "or there is nobody to hand over to");
}

// A fault would not fail it, but end the process.
#[test]
fn what_is_assigned_anew_again_and_again_ends_nothing() {
    let stage = Stage::set();
    for _ in 0..20 {
        let mut replay = stage.replay();
        replay.next = vec![0; 4];
        (0..10).for_each(|_| replay.assign_again().unwrap());
    }
    let live = &stage.replays.live;
    for _ in 0..100 {
        (0..4).for_each(|partition| live.assign_one(TOPIC, partition, 0).unwrap());
        live.unassign(TOPIC, 0..4);
    }
}

struct Stage {
    replays: Arc<Replays>,
    producer: BaseProducer,
    cluster: MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
}

impl Stage {
    fn set() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers());
        let producer = config.create().unwrap();
        config.set("group.id", "test").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        Self { replays: Replays::for_test(config, Metrics::default()), producer, cluster }
    }

    fn replay(&self) -> Replay {
        let described = Described { id: TopicId::for_test(), partitions: 1, has_leaders: true };
        let mut replay = self.replays.replay(TOPIC, described, self.replays.slot().unwrap()).unwrap();
        (replay.next, replay.caught_up) = (vec![0], vec![true]);
        replay
    }

    /// Of three records; to be handed over behind the first, and the live read cannot take over any more.
    fn left_by_its_successor(&self) -> Replay {
        let mut replay = self.replay();
        self.write(3);
        replay.handing_over = Some((Successor::that_left(vec![1]), vec![false]));
        replay.assign_again().unwrap();
        replay
    }

    /// A fourth record comes, and all four are read once.
    fn reads_on(&self, replay: &mut Replay, mut due: Vec<Delivery>) {
        self.write(1);
        until(|| {
            replay.poll(&mut due);
            offsets(&due).contains(&3)
        });
        assert_eq!(offsets(&due), [0, 1, 2, 3]);
    }

    fn write(&self, records: usize) {
        for _ in 0..records {
            self.producer.send(BaseRecord::<(), _>::to(TOPIC).partition(0).payload("x")).unwrap();
        }
        self.producer.flush(TIMEOUT).unwrap();
    }
}

fn offsets(due: &[Delivery]) -> Vec<i64> {
    let batches = due.iter().filter_map(|delivery| match delivery {
        Delivery::Batch(batch) => Some(&batch.records),
        _ => None,
    });
    batches.flatten().map(|record| record.offset).collect()
}

fn until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "in time");
    }
}

const TOPIC: &str = "t";
const CAUGHT_UP: Delivery = Delivery::CaughtUp { partition: 0 };
