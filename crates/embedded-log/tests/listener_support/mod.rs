//! A listener on a free port over a log in a temporary folder, and a client that speaks in raw requests.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod trap;

use std::{net::SocketAddr, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use embedded_log::{
    Log, Options,
    batch::{BatchBuilder, NewRecord},
    listener::{Listener, ListenerOptions},
};
use kafka_protocol::{
    messages::{
        ApiKey, FetchRequest, GroupId, OffsetCommitRequest, ProduceRequest, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Decodable, Encodable, StrBytes},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) log: Log,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(folder: &std::path::Path) -> Self {
        Self::start_with(folder, ListenerOptions::default()).await
    }

    pub(crate) async fn start_with(folder: &std::path::Path, options: ListenerOptions) -> Self {
        let log = Log::open(folder, Options { preallocate_bytes: 1 << 20, ..Options::default() }).unwrap();
        Self::start_over(log, options).await
    }

    pub(crate) async fn start_over(log: Log, options: ListenerOptions) -> Self {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(listener.serve(log.clone(), options, async {
            let _ = stopped.await;
        }));
        Self { address, log, stop: Some(stop), serving }
    }

    /// Stops the listener and closes the log.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.serving).await.unwrap();
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.address.to_string()
    }
}

pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    correlation_id: i32,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation_id: 100 }
    }

    pub(crate) async fn ask<Answer: Decodable>(
        &mut self,
        kind: ApiKey,
        version: i16,
        request: &impl Encodable,
    ) -> Answer {
        let id = self.send(kind, version, request).await;
        let mut answer = self.receive(id).await;
        let decoded = Answer::decode(&mut answer, version).unwrap();
        assert!(answer.is_empty(), "{kind:?} {version}: {} bytes are left", answer.len());
        decoded
    }

    pub(crate) async fn send(&mut self, kind: ApiKey, version: i16, request: &impl Encodable) -> i32 {
        self.correlation_id += 1;
        let bytes = encode(kind, version, self.correlation_id, request);
        self.stream.write_all(&bytes).await.unwrap();
        self.correlation_id
    }

    /// The body of the next answer, which must be the one to this request.
    pub(crate) async fn receive(&mut self, correlation_id: i32) -> Bytes {
        let mut body = self.receive_any().await.expect("an answer");
        assert_eq!(body.get_i32(), correlation_id);
        body
    }

    /// The next answer, or nothing if the connection is closed.
    pub(crate) async fn receive_any(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_u32().await.ok()?;
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body).await.ok()?;
            Some(body.into())
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("in time")
    }
}

pub(crate) fn encode(kind: ApiKey, version: i16, correlation_id: i32, request: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i32(0);
    bytes.put_i16(kind as i16);
    bytes.put_i16(version);
    bytes.put_i32(correlation_id);
    bytes.put_i16(4);
    bytes.put_slice(b"test");
    if kind == ApiKey::ApiVersions && version >= 3 {
        bytes.put_u8(0);
    }
    request.encode(&mut bytes, version).unwrap();
    let length = bytes.len() as i32 - 4;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes.freeze()
}

/// A batch of records with these values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let mut out = Vec::new();
    let mut builder = BatchBuilder::begin(&mut out, 0, 1_000);
    for (number, value) in values.iter().enumerate() {
        let timestamp_ms = 1_000 + number as i64;
        builder
            .push(&mut out, NewRecord { timestamp_ms, key: Some(b"key"), value: Some(value.as_bytes()), headers: &[] });
    }
    builder.finish(&mut out);
    out.into()
}

pub(crate) fn produce(acks: i16, topic: &str, partition: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(TopicName(text(topic))).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

pub(crate) fn fetch(topic: &str, partition: i32, offset: i64, wait_ms: i32, max_bytes: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(max_bytes);
    let topic = FetchTopic::default().with_topic(TopicName(text(topic))).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_topics(vec![topic])
}

/// Commits offset 1 of topic `t`.
pub(crate) fn commit_request(group: &str, metadata: &str) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
    let partition = partition.with_committed_metadata(Some(text(metadata)));
    let topic = OffsetCommitRequestTopic::default().with_name(TopicName(text("t"))).with_partitions(vec![partition]);
    OffsetCommitRequest::default().with_group_id(GroupId(text(group))).with_topics(vec![topic])
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
