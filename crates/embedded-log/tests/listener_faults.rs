//! What Kafka clients are told when a disk is full, fails or holds other bytes than were written, or a connection panics.
#![allow(clippy::unwrap_used)]

mod listener_support;

use std::{fs, os::unix::fs::FileExt, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use embedded_log::{
    Log, Options,
    batch::Batch,
    listener::ListenerOptions,
    storage::faulty::{Call, Failure, Fault, FaultyStorage},
};
use kafka_protocol::{
    ResponseError,
    messages::{
        create_topics_request::CreatableTopic, fetch_request::FetchPartition, fetch_response::PartitionData, *,
    },
    protocol::Decodable,
};
use listener_support::{Server, Wire, batch, commit_request, fetch, produce, text, trap::Trap};

const DISK_FULL: i16 = ResponseError::NotEnoughReplicas.code();
const LOG_FAILED: i16 = ResponseError::KafkaStorageError.code();
const CORRUPT: i16 = ResponseError::CorruptMessage.code();
const ROUNDS: i32 = 40;
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_full_disk_refuses_writes_for_clients_to_try_again_until_there_is_room() {
    let (storage, server, mut wire) = over_faulty_disk().await;
    let id = producer_id(&mut wire).await;
    storage.set_capacity(storage.used());
    // Room that was taken ahead may still be used.
    let mut stored = Vec::new();
    let refused = loop {
        let value = stored.len().to_string();
        match write(&mut wire, produced(id, stored.len(), &value)).await {
            Ok(offset) => {
                assert_eq!(offset, stored.len() as i64);
                stored.push(value);
            }
            Err(code) => break code,
        }
        assert!(stored.len() < 1_000, "there is no room for so many");
    };
    assert_eq!(refused, DISK_FULL);
    let again = produced(id, stored.len(), "again");
    let large = produced(id, stored.len(), &"x".repeat(10_000));
    assert_eq!(write(&mut wire, large).await, Err(DISK_FULL));
    assert_eq!(commit(&mut wire).await, ResponseError::CoordinatorNotAvailable.code());
    assert_eq!(create_topic(&mut wire).await, ResponseError::KafkaStorageError.code());
    assert_eq!(values(&mut wire, 0).await, Ok(stored.clone()), "reads go on");

    storage.set_capacity(u64::MAX);
    let offset = stored.len() as i64;
    assert_eq!(write(&mut wire, again.clone()).await, Ok(offset), "a producer's numbers do not count what was refused");
    assert_eq!(write(&mut wire, again).await, Ok(offset), "what was stored is known");
    assert_eq!((commit(&mut wire).await, create_topic(&mut wire).await), (0, 0));
    stored.push("again".to_owned());
    assert_eq!(values(&mut wire, 0).await, Ok(stored));
    server.stop().await;
}

#[tokio::test]
async fn a_disk_that_fails_ends_writing_for_good_and_reads_go_on() {
    for call in [Call::Write, Call::Sync] {
        let (storage, server, mut wire) = over_faulty_disk().await;
        assert_eq!(write(&mut wire, batch(&["before"])).await, Ok(0));
        storage.plan(Fault { call: Some(call), after: 0, lasting: false, failure: Failure::Io });
        let mut asked = Vec::new();
        for _ in 0..5 {
            asked.push(wire.send(ApiKey::Produce, 7, &produce(-1, "t", 0, batch(&["lost?"]))).await);
        }
        for id in asked {
            let mut answer = wire.receive(id).await;
            let answer = ProduceResponse::decode(&mut answer, 7).unwrap();
            assert_eq!(answer.responses[0].partition_responses[0].error_code, LOG_FAILED, "{call:?}");
        }
        assert_eq!(write(&mut wire, batch(&["after"])).await, Err(LOG_FAILED), "{call:?}");
        assert_eq!((commit(&mut wire).await, create_topic(&mut wire).await), (LOG_FAILED, LOG_FAILED), "{call:?}");
        let mut other = Wire::connect(server.address).await;
        for wire in [&mut wire, &mut other] {
            assert_eq!(values(wire, 0).await, Ok(vec!["before".to_owned()]), "{call:?}: nothing that may vanish");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_read_that_fails_is_its_partitions_alone_and_may_be_tried_again() {
    let (storage, server, mut wire) = over_faulty_disk().await;
    server.log.add_partitions("t", 2).await.unwrap();
    for number in 0..2 {
        let _: ProduceResponse = wire.ask(ApiKey::Produce, 7, &produce(-1, "t", number, batch(&["x"]))).await;
    }
    storage.plan(Fault { call: Some(Call::Read), after: 0, lasting: false, failure: Failure::Io });
    let good = || Ok(vec!["x".to_owned()]);
    let failed = Err(ResponseError::KafkaStorageError.code());
    assert_eq!(fetch_all(&mut wire, &[(0, 0), (1, 0)]).await, [failed, good()]);
    assert_eq!(fetch_all(&mut wire, &[(0, 0), (1, 0)]).await, [good(), good()]);
    server.stop().await;
}

#[tokio::test]
async fn damage_beneath_a_running_log_is_its_partitions_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut wire) = over_folder(folder.path()).await;
    fill(&server, &mut wire).await;
    Place::of(folder.path(), value(1, 1).as_bytes()).flip(0);
    only_the_damaged_is_refused(&mut wire).await;
    server.stop().await;
}

#[tokio::test]
async fn damage_from_before_a_start_is_its_partitions_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut wire) = over_folder(folder.path()).await;
    fill(&server, &mut wire).await;
    server.stop().await;
    Place::of(folder.path(), value(1, 1).as_bytes()).flip(0);
    let (server, mut wire) = over_folder(folder.path()).await;
    only_the_damaged_is_refused(&mut wire).await;
    server.stop().await;
}

#[tokio::test]
async fn whichever_byte_of_a_batch_is_wrong_it_is_not_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut wire) = over_folder(folder.path()).await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let needle = batch(&["the needle"]);
    assert_eq!(write(&mut wire, needle.clone()).await, Ok(0));
    let within = needle.windows(10).position(|window| window == b"the needle").unwrap();
    let place = Place::of(folder.path(), b"the needle");
    for byte in 0..needle.len() {
        let at = byte as i64 - within as i64;
        place.flip(at);
        assert_eq!(values(&mut wire, 0).await, Err(CORRUPT), "byte {byte}");
        place.flip(at);
    }
    assert_eq!(values(&mut wire, 0).await, Ok(vec!["the needle".to_owned()]));
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_panics_ends_alone_and_is_counted() {
    let trap = Arc::new(Trap::default());
    let log = Log::open_storage(trap.clone(), uncached()).unwrap();
    log.create_topic("t", 1, Vec::new()).await.unwrap();
    // What a fetch takes of it has to come back.
    let options = ListenerOptions { max_fetch_bytes: 1 << 20, response_memory_bytes: 1 << 20, ..Default::default() };
    let metrics = options.metrics.clone();
    let server = Server::start_over(log, options).await;
    let (mut idle, mut waiting) = (Wire::connect(server.address).await, Wire::connect(server.address).await);
    assert_eq!(write(&mut idle, batch(&["one"])).await, Ok(0));
    let awaited = waiting.send(ApiKey::Fetch, 11, &fetch("t", 0, 1, 60_000, 1 << 20)).await;
    for panics in 1..=3 {
        trap.set();
        let mut struck = Wire::connect(server.address).await;
        struck.send(ApiKey::Fetch, 11, &fetch("t", 0, 0, 0, 1 << 20)).await;
        assert!(struck.receive_any().await.is_none(), "it is closed");
        // Its end is noted a moment later than its socket closes.
        until(|| metrics.connections_open() == 2).await;
        assert!(metrics.connections_ended().contains(&("panic", panics)));
        assert_eq!(values(&mut idle, 0).await, Ok(vec!["one".to_owned()]), "others go on");
    }
    assert_eq!(write(&mut idle, batch(&["two"])).await, Ok(1));
    let mut answer = waiting.receive(awaited).await;
    let answer = FetchResponse::decode(&mut answer, 11).unwrap();
    assert_eq!(read(&answer.responses[0].partitions[0]), Ok(vec!["two".to_owned()]), "those that wait, too");
    server.stop().await;
}

/// A log that keeps nothing in memory, in small segments.
fn uncached() -> Options {
    Options {
        segment_bytes: 16 << 10,
        preallocate_bytes: 4 << 10,
        reserve_bytes: Some(0),
        recent_bytes: 0,
        ..Options::default()
    }
}

async fn over_folder(folder: &Path) -> (Server, Wire) {
    let log = Log::open(folder, uncached()).unwrap();
    let server = Server::start_over(log, ListenerOptions::default()).await;
    let wire = Wire::connect(server.address).await;
    (server, wire)
}

/// With a topic of one partition.
async fn over_faulty_disk() -> (Arc<FaultyStorage>, Server, Wire) {
    let storage = Arc::new(FaultyStorage::new());
    let log = Log::open_storage(storage.clone(), uncached()).unwrap();
    log.create_topic("t", 1, Vec::new()).await.unwrap();
    let server = Server::start_over(log, ListenerOptions::default()).await;
    let wire = Wire::connect(server.address).await;
    (storage, server, wire)
}

/// Three partitions with more than a segment, so that their beginning is not read when the log is opened.
async fn fill(server: &Server, wire: &mut Wire) {
    server.log.create_topic("t", 3, Vec::new()).await.unwrap();
    for round in 0..ROUNDS {
        for number in 0..3 {
            let asked = produce(-1, "t", number, batch(&[&value(number, round)]));
            let answer: ProduceResponse = wire.ask(ApiKey::Produce, 7, &asked).await;
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        }
    }
}

/// Of what [`fill`] stored, where partition 1 is damaged at offset 1.
async fn only_the_damaged_is_refused(wire: &mut Wire) {
    let from = |number, first| Ok((first..ROUNDS).map(|round| value(number, round)).collect::<Vec<_>>());
    let found = fetch_all(wire, &[(1, 0), (0, 0), (2, 0)]).await;
    assert_eq!(found, [Ok(vec![value(1, 0)]), from(0, 0), from(2, 0)], "what is good before it is handed out");
    let found = fetch_all(wire, &[(1, 1), (0, 0), (2, 0)]).await;
    assert_eq!(found, [Err(CORRUPT), from(0, 0), from(2, 0)]);
    let found = fetch_all(wire, &[(0, 0), (1, 2)]).await;
    assert_eq!(found, [from(0, 0), from(1, 2)], "what is good behind it, too");
    // Who would wait for more hears of it at once.
    let asked = fetch("t", 1, 1, 60_000, 1 << 20).with_min_bytes(1 << 20);
    let answer: FetchResponse = wire.ask(ApiKey::Fetch, 11, &asked).await;
    assert_eq!(read(&answer.responses[0].partitions[0]), Err(CORRUPT));
}

/// Produces; the offset or the error.
async fn write(wire: &mut Wire, batch: Bytes) -> Result<i64, i16> {
    let answer: ProduceResponse = wire.ask(ApiKey::Produce, 7, &produce(-1, "t", 0, batch)).await;
    let partition = &answer.responses[0].partition_responses[0];
    if partition.error_code == 0 {
        return Ok(partition.base_offset);
    }
    assert_eq!(partition.base_offset, -1);
    Err(partition.error_code)
}

async fn values(wire: &mut Wire, offset: i64) -> Result<Vec<String>, i16> {
    fetch_all(wire, &[(0, offset)]).await.remove(0)
}

/// What one fetch finds in these partitions from these offsets on.
async fn fetch_all(wire: &mut Wire, wanted: &[(i32, i64)]) -> Vec<Result<Vec<String>, i16>> {
    let mut asked = fetch("t", 0, 0, 0, 1 << 20);
    let one = |&(number, offset): &(i32, i64)| {
        FetchPartition::default().with_partition(number).with_fetch_offset(offset).with_partition_max_bytes(1 << 20)
    };
    asked.topics[0].partitions = wanted.iter().map(one).collect();
    let answer: FetchResponse = wire.ask(ApiKey::Fetch, 11, &asked).await;
    assert_eq!(answer.error_code, 0);
    let partitions = &answer.responses[0].partitions;
    assert!(partitions.iter().map(|it| it.partition_index).eq(wanted.iter().map(|(number, _)| *number)));
    partitions.iter().map(read).collect()
}

fn read(partition: &PartitionData) -> Result<Vec<String>, i16> {
    let mut bytes = partition.records.clone().unwrap();
    if partition.error_code != 0 {
        assert!(bytes.is_empty());
        return Err(partition.error_code);
    }
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let batch = Batch::split_first(&mut bytes).unwrap();
        let records = batch.records(1 << 20).unwrap().map(|record| record.unwrap().value.unwrap());
        values.extend(records.map(|value| String::from_utf8(value.to_vec()).unwrap()));
    }
    Ok(values)
}

fn value(partition: i32, round: i32) -> String {
    format!("partition {partition}, round {round}, {:200}", "")
}

async fn producer_id(wire: &mut Wire) -> i64 {
    let asked = InitProducerIdRequest::default().with_transactional_id(None);
    let answer: InitProducerIdResponse = wire.ask(ApiKey::InitProducerId, 1, &asked).await;
    assert_eq!(answer.error_code, 0);
    answer.producer_id.0
}

/// A batch of an idempotent producer.
fn produced(producer_id: i64, sequence: usize, value: &str) -> Bytes {
    let mut bytes = batch(&[value]).to_vec();
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    bytes[51..53].copy_from_slice(&0i16.to_be_bytes());
    bytes[53..57].copy_from_slice(&(sequence as i32).to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

/// Commits for a consumer that assigns itself; more bytes than the batches that fill a disk.
async fn commit(wire: &mut Wire) -> i16 {
    let asked = commit_request("alone", &"x".repeat(4_000)).with_generation_id_or_member_epoch(-1);
    let answer: OffsetCommitResponse = wire.ask(ApiKey::OffsetCommit, 7, &asked).await;
    answer.topics[0].partitions[0].error_code
}

async fn create_topic(wire: &mut Wire) -> i16 {
    let topic = CreatableTopic::default().with_name(TopicName(text(&"x".repeat(249))));
    let topic = topic.with_num_partitions(1).with_replication_factor(1);
    let asked = CreateTopicsRequest::default().with_timeout_ms(1_000).with_topics(vec![topic]);
    let answer: CreateTopicsResponse = wire.ask(ApiKey::CreateTopics, 4, &asked).await;
    answer.topics[0].error_code
}

/// Where a text stands in the files of a folder.
struct Place {
    file: fs::File,
    at: i64,
}

impl Place {
    fn of(folder: &Path, text: &[u8]) -> Self {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let found = paths.filter_map(|path| {
            let bytes = fs::read(&path).unwrap();
            let at = bytes.windows(text.len()).position(|window| window == text)?;
            let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
            Some(Self { file, at: at as i64 })
        });
        found.last().unwrap()
    }

    /// Changes a bit of the byte that stands so far from the text's first; a second time, changes it back.
    fn flip(&self, distance: i64) {
        let (at, mut byte) = ((self.at + distance) as u64, [0]);
        self.file.read_exact_at(&mut byte, at).unwrap();
        self.file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("in time");
}
