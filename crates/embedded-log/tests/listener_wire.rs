//! Every kind of request in every version offered, over a real socket.
#![allow(clippy::unwrap_used)]

mod listener_support;

use std::{collections::BTreeMap, time::Duration};

use embedded_log::batch::Batch;
use kafka_protocol::{
    ResponseError,
    messages::{
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        describe_configs_request::DescribeConfigsResource,
        fetch_request::FetchPartition,
        incremental_alter_configs_request::AlterConfigsResource,
        join_group_request::JoinGroupRequestProtocol,
        leave_group_request::MemberIdentity,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestTopic,
        sync_group_request::SyncGroupRequestAssignment,
        *,
    },
};
use listener_support::{Server, Wire, batch, encode, fetch, produce, text};

#[tokio::test]
async fn api_versions() {
    let (_folder, server, mut wire) = start().await;
    for version in 0..=3 {
        let answer: ApiVersionsResponse = wire.ask(ApiKey::ApiVersions, version, &ApiVersionsRequest::default()).await;
        assert_eq!(answer.error_code, 0);
        let offered: BTreeMap<_, _> =
            answer.api_keys.iter().map(|key| (key.api_key, (key.min_version, key.max_version))).collect();
        assert_eq!(offered[&(ApiKey::Produce as i16)], (3, 8));
        assert_eq!(offered[&(ApiKey::Fetch as i16)], (4, 11));
        assert!(!offered.contains_key(&(ApiKey::AddPartitionsToTxn as i16)), "transactions are not offered");
    }
    // A version of the future: error 35 as in version 0.
    let id = wire.send(ApiKey::ApiVersions, 4, &ApiVersionsRequest::default()).await;
    let mut answer = wire.receive(id).await;
    let answer: ApiVersionsResponse = kafka_protocol::protocol::Decodable::decode(&mut answer, 0).unwrap();
    assert_eq!(answer.error_code, ResponseError::UnsupportedVersion.code());
    assert!(!answer.api_keys.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn metadata_makes_topics_only_when_asked() {
    let (_folder, server, mut wire) = start().await;
    for version in 0..=8 {
        let name = format!("topic-{version}");
        let topic = |name: &str| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
        let asked = MetadataRequest::default().with_topics(Some(vec![topic(&name), topic("__hidden"), topic("a b")]));
        if version >= 4 {
            let not = asked.clone().with_allow_auto_topic_creation(false);
            let answer: MetadataResponse = wire.ask(ApiKey::Metadata, version, &not).await;
            let codes: Vec<_> = answer.topics.iter().map(|topic| topic.error_code).collect();
            assert_eq!(codes, [17, 3, 3], "{:?}", answer.topics);
        }
        let answer: MetadataResponse = wire.ask(ApiKey::Metadata, version, &asked).await;
        let codes: Vec<_> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [17, 17, 0], "{:?}", answer.topics);
        let partition = &answer.topics[2].partitions[0];
        assert_eq!((partition.leader_id, &*partition.isr_nodes), (BrokerId(1), &[BrokerId(1)][..]));
        let broker = &answer.brokers[0];
        assert_eq!((&*broker.host, broker.port), ("127.0.0.1", i32::from(server.address.port())));
        if version >= 2 {
            assert_eq!(answer.cluster_id.as_deref(), Some(server.log.id()));
        }
        let everything = MetadataRequest::default().with_topics((version == 0).then(Vec::new));
        let answer: MetadataResponse = wire.ask(ApiKey::Metadata, version, &everything).await;
        assert_eq!(answer.topics.len(), usize::try_from(version).unwrap() + 1);
    }
    server.stop().await;
}

#[tokio::test]
async fn produce_and_fetch() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    for version in 3..=8 {
        let offset = i64::from(version - 3) * 2;
        let answer: ProduceResponse =
            wire.ask(ApiKey::Produce, version, &produce(-1, "t", 0, batch(&["one", "two"]))).await;
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, offset));
    }
    for version in 4..=11 {
        let answer: FetchResponse = wire.ask(ApiKey::Fetch, version, &fetch("t", 0, 3, 0, 1 << 20)).await;
        let partition = &answer.responses[0].partitions[0];
        assert_eq!((answer.error_code, partition.error_code), (0, 0));
        assert_eq!((partition.high_watermark, partition.last_stable_offset), (12, 12));
        let mut records = partition.records.clone().unwrap();
        let mut offset = 2; // of the batch that holds 3
        while !records.is_empty() {
            let batch = Batch::split_first(&mut records).unwrap();
            assert_eq!(batch.base_offset(), offset);
            offset = batch.next_offset();
        }
        assert_eq!(offset, 12);
    }
    server.stop().await;
}

#[tokio::test]
async fn produce_refuses_by_code() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let sound = batch(&["x"]);
    let mut flipped = sound.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let mut old = sound.to_vec();
    old[16] = 1;
    let two = [&sound[..], &sound[..]].concat();
    let transactional = produce(-1, "t", 0, sound.clone()).with_transactional_id(Some(TransactionalId(text("x"))));
    for (asked, code) in [
        (produce(-1, "t", 0, flipped.into()), ResponseError::CorruptMessage),
        (produce(-1, "t", 0, old.into()), ResponseError::UnsupportedForMessageFormat),
        (produce(-1, "t", 0, two.into()), ResponseError::InvalidRecord),
        (produce(-1, "t", 0, sound.slice(..30)), ResponseError::CorruptMessage),
        (produce(-1, "t", 0, bytes::Bytes::new()), ResponseError::InvalidRecord),
        (produce(-1, "t", 1, sound.clone()), ResponseError::UnknownTopicOrPartition),
        (produce(-1, "t", -1, sound.clone()), ResponseError::UnknownTopicOrPartition),
        (produce(-1, "u", 0, sound.clone()), ResponseError::UnknownTopicOrPartition),
        (produce(-1, "__t", 0, sound.clone()), ResponseError::InvalidTopicException),
        (produce(2, "t", 0, sound.clone()), ResponseError::InvalidRequiredAcks),
        (produce(-1, "t", 0, batch(&[&"x".repeat(5 << 20)])), ResponseError::MessageTooLarge),
        (transactional, ResponseError::TransactionalIdAuthorizationFailed),
    ] {
        let answer: ProduceResponse = wire.ask(ApiKey::Produce, 7, &asked).await;
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (code.code(), -1), "{code:?}");
    }
    assert_eq!(server.log.topic("t").unwrap().partition(0).unwrap().range().end, 0, "nothing was written");
    server.stop().await;
}

#[tokio::test]
async fn produce_without_acknowledgement_is_not_answered() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    wire.send(ApiKey::Produce, 7, &produce(0, "t", 0, batch(&["x"]))).await;
    wire.send(ApiKey::Produce, 7, &produce(0, "u", 0, batch(&["x"]))).await;
    let answer: ProduceResponse = wire.ask(ApiKey::Produce, 7, &produce(1, "t", 0, batch(&["y"]))).await;
    assert_eq!(answer.responses[0].partition_responses[0].base_offset, 1);
    server.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let mut expected = Vec::new();
    for round in 0..200 {
        expected.push(match round % 10 {
            7 => (wire.send(ApiKey::ListOffsets, 1, &list_offsets("t", -1)).await, ApiKey::ListOffsets),
            _ => (wire.send(ApiKey::Produce, 7, &produce(-1, "t", 0, batch(&["x"]))).await, ApiKey::Produce),
        });
    }
    let mut next = 0;
    for (id, kind) in expected {
        let mut body = wire.receive(id).await;
        if kind == ApiKey::Produce {
            let answer: ProduceResponse = kafka_protocol::protocol::Decodable::decode(&mut body, 7).unwrap();
            assert_eq!(answer.responses[0].partition_responses[0].base_offset, next);
            next += 1;
        } else {
            let answer: ListOffsetsResponse = kafka_protocol::protocol::Decodable::decode(&mut body, 1).unwrap();
            assert_eq!(answer.topics[0].partitions[0].offset, next, "all before it are durable");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_fetch_waits_for_records_up_to_its_time() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let began = std::time::Instant::now();
    let answer: FetchResponse = wire.ask(ApiKey::Fetch, 11, &fetch("t", 0, 0, 300, 1 << 20)).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(answer.responses[0].partitions[0].records.as_ref().map(|it| it.len()), Some(0));

    let id = wire.send(ApiKey::Fetch, 11, &fetch("t", 0, 0, 60_000, 1 << 20)).await;
    let mut other = Wire::connect(server.address).await;
    let _: ProduceResponse = other.ask(ApiKey::Produce, 7, &produce(-1, "t", 0, batch(&["x"]))).await;
    let mut body = wire.receive(id).await;
    let answer: FetchResponse = kafka_protocol::protocol::Decodable::decode(&mut body, 11).unwrap();
    assert!(!answer.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_fetch_keeps_to_its_limits() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 2, Vec::new()).await.unwrap();
    let value = "x".repeat(1000);
    for number in [0, 0, 0, 1] {
        let _: ProduceResponse = wire.ask(ApiKey::Produce, 7, &produce(-1, "t", number, batch(&[&value]))).await;
    }
    let one = batch(&[&value]).len();
    for (limit, first, second) in [(0, 1, 0), (1, 1, 0), (one * 2, 2, 0), (one * 4, 3, 1)] {
        let asked = fetch("t", 0, 0, 0, 1 << 20).with_max_bytes(limit as i32);
        let mut asked = asked;
        let other = FetchPartition::default().with_partition(1).with_partition_max_bytes(1 << 20);
        asked.topics[0].partitions.push(other);
        let answer: FetchResponse = wire.ask(ApiKey::Fetch, 4, &asked).await;
        let sizes: Vec<_> =
            answer.responses[0].partitions.iter().map(|it| it.records.as_ref().unwrap().len() / one).collect();
        assert_eq!(sizes, [first, second], "{limit}");
    }
    for (offset, topic, code) in [
        (4, "t", ResponseError::OffsetOutOfRange),
        (-1, "t", ResponseError::OffsetOutOfRange),
        (0, "u", ResponseError::UnknownTopicOrPartition),
        (0, "__t", ResponseError::UnknownTopicOrPartition),
    ] {
        let answer: FetchResponse = wire.ask(ApiKey::Fetch, 4, &fetch(topic, 0, offset, 5_000, 1)).await;
        assert_eq!(answer.responses[0].partitions[0].error_code, code.code(), "{topic} {offset}");
    }
    let session = fetch("t", 0, 0, 0, 1).with_session_id(7);
    let answer: FetchResponse = wire.ask(ApiKey::Fetch, 7, &session).await;
    assert_eq!(answer.error_code, ResponseError::FetchSessionIdNotFound.code());
    server.stop().await;
}

#[tokio::test]
async fn offsets_by_place_and_time() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let _: ProduceResponse = wire.ask(ApiKey::Produce, 7, &produce(-1, "t", 0, batch(&["a", "b", "c"]))).await;
    for version in 1..=5 {
        for (timestamp, offset, found) in [(-1, 3, -1), (-2, 0, -1), (0, 0, 1_000), (1_001, 1, 1_001), (1_003, -1, -1)]
        {
            let answer: ListOffsetsResponse =
                wire.ask(ApiKey::ListOffsets, version, &list_offsets("t", timestamp)).await;
            let partition = &answer.topics[0].partitions[0];
            assert_eq!(
                (partition.error_code, partition.offset, partition.timestamp),
                (0, offset, found),
                "{timestamp}"
            );
        }
        let answer: ListOffsetsResponse = wire.ask(ApiKey::ListOffsets, version, &list_offsets("u", -1)).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 3);
    }
    server.stop().await;
}

#[tokio::test]
async fn topics_are_made_grown_and_deleted() {
    let (_folder, server, mut wire) = start().await;
    for version in 2..=4 {
        let name = format!("t{version}");
        let topic = |name: &str| {
            CreatableTopic::default().with_name(TopicName(text(name))).with_num_partitions(2).with_replication_factor(1)
        };
        let compact =
            CreatableTopicConfig::default().with_name(text("cleanup.policy")).with_value(Some(text("compact")));
        let assigned = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1)]);
        let asked = vec![
            topic(&name).with_configs(vec![compact]),
            topic(&format!("changelog__{version}")).with_num_partitions(-1).with_replication_factor(-1),
            topic(&format!("assigned{version}")).with_num_partitions(-1).with_assignments(vec![assigned; 3]),
            topic("__internal"),
            topic("no good"),
            topic("many").with_replication_factor(3),
            topic("none").with_num_partitions(0),
        ];
        let asked = CreateTopicsRequest::default().with_topics(asked);
        let answer: CreateTopicsResponse = wire.ask(ApiKey::CreateTopics, version, &asked).await;
        let codes: Vec<_> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, 0, 0, 17, 17, 38, 37], "{:?}", answer.topics);
        assert_eq!(server.log.topic(&format!("assigned{version}")).unwrap().partition_count(), 3);

        let check =
            CreateTopicsRequest::default().with_validate_only(true).with_topics(vec![topic(&name), topic("new")]);
        let answer: CreateTopicsResponse = wire.ask(ApiKey::CreateTopics, version, &check).await;
        assert_eq!((answer.topics[0].error_code, answer.topics[1].error_code), (36, 0));
        assert!(server.log.topic("new").is_none());
    }
    for version in 0..=1 {
        for (name, count, code) in [("t2", 3 + i32::from(version), 0), ("t2", 1, 37), ("u", 3, 3)] {
            let topic = CreatePartitionsTopic::default().with_name(TopicName(text(name))).with_count(count);
            let asked = CreatePartitionsRequest::default().with_topics(vec![topic.with_assignments(None)]);
            let answer: CreatePartitionsResponse = wire.ask(ApiKey::CreatePartitions, version, &asked).await;
            assert_eq!(answer.results[0].error_code, code, "{:?}", answer.results);
        }
    }
    assert_eq!(server.log.topic("t2").unwrap().partition_count(), 4);
    for version in 1..=3 {
        let names = [format!("t{}", version + 1), "u".to_owned(), "__x".to_owned()].map(|name| TopicName(text(&name)));
        let asked = DeleteTopicsRequest::default().with_topic_names(names.to_vec());
        let answer: DeleteTopicsResponse = wire.ask(ApiKey::DeleteTopics, version, &asked).await;
        let codes: Vec<_> = answer.responses.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, 3, 3]);
    }
    assert!(server.log.topic("t2").is_none());
    server.stop().await;
}

#[tokio::test]
async fn settings_are_shown_and_not_changed() {
    let (_folder, server, mut wire) = start().await;
    let settings = vec![("cleanup.policy".to_owned(), "compact".to_owned()), ("x.y".to_owned(), "z".to_owned())];
    server.log.create_topic("t", 1, settings).await.unwrap();
    let resource = |kind, name: &str| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    for version in 1..=3 {
        let some = Some(vec![text("retention.ms")]);
        let asked = vec![
            resource(2, "t"),
            resource(4, "1"),
            resource(2, "u"),
            resource(4, "2"),
            resource(9, "t"),
            resource(4, "").with_configuration_keys(some),
        ];
        let asked = DescribeConfigsRequest::default().with_resources(asked);
        let answer: DescribeConfigsResponse = wire.ask(ApiKey::DescribeConfigs, version, &asked).await;
        let codes: Vec<_> = answer.results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [0, 0, 3, 42, 42, 0]);
        let value = |result: usize, name: &str| {
            let found = answer.results[result].configs.iter().find(|config| *config.name == *name);
            found.and_then(|config| config.value.as_ref().map(|value| value.to_string()))
        };
        assert_eq!(value(0, "cleanup.policy").as_deref(), Some("compact"));
        assert_eq!(value(0, "x.y").as_deref(), Some("z"));
        assert_eq!(value(0, "min.insync.replicas").as_deref(), Some("1"));
        assert_eq!(value(0, "max.message.bytes"), Some(server.log.options().max_batch_bytes.to_string()));
        assert_eq!(value(1, "num.partitions").as_deref(), Some("1"));
        assert!(answer.results[5].configs.is_empty(), "the broker calls it log.retention.ms");
    }
    for version in 0..=1 {
        let resource =
            alter_configs_request::AlterConfigsResource::default().with_resource_type(2).with_resource_name(text("t"));
        let asked = AlterConfigsRequest::default().with_resources(vec![resource]);
        let answer: AlterConfigsResponse = wire.ask(ApiKey::AlterConfigs, version, &asked).await;
        assert_eq!(answer.responses[0].error_code, ResponseError::PolicyViolation.code());
    }
    let resource = AlterConfigsResource::default().with_resource_type(2).with_resource_name(text("t"));
    let asked = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let answer: IncrementalAlterConfigsResponse = wire.ask(ApiKey::IncrementalAlterConfigs, 0, &asked).await;
    assert_eq!(answer.responses[0].error_code, ResponseError::PolicyViolation.code());
    server.stop().await;
}

#[tokio::test]
async fn producer_ids_are_given_and_transactions_refused() {
    let (_folder, server, mut wire) = start().await;
    let mut last = -1;
    for version in 0..=1 {
        let asked = InitProducerIdRequest::default().with_transactional_id(None);
        let answer: InitProducerIdResponse = wire.ask(ApiKey::InitProducerId, version, &asked).await;
        assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
        assert!(answer.producer_id.0 > last);
        last = answer.producer_id.0;
        let asked = asked.with_transactional_id(Some(TransactionalId(text("x"))));
        let answer: InitProducerIdResponse = wire.ask(ApiKey::InitProducerId, version, &asked).await;
        assert_eq!((answer.error_code, answer.producer_id.0), (53, -1));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_group_in_each_version() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    for version in 0..=2 {
        let asked = FindCoordinatorRequest::default().with_key(text("g"));
        let answer: FindCoordinatorResponse = wire.ask(ApiKey::FindCoordinator, version, &asked).await;
        assert_eq!((answer.error_code, answer.node_id.0, answer.port), (0, 1, i32::from(server.address.port())));
    }
    for version in 0..=5 {
        let group = GroupId(text(&format!("g{version}")));
        let (id, generation) = join(&mut wire, version, &group).await;
        let sync = version.min(3);
        let assignment = SyncGroupRequestAssignment::default().with_member_id(id.clone()).with_assignment("all".into());
        let asked = SyncGroupRequest::default()
            .with_group_id(group.clone())
            .with_generation_id(generation)
            .with_member_id(id.clone())
            .with_assignments(vec![assignment]);
        let answer: SyncGroupResponse = wire.ask(ApiKey::SyncGroup, sync, &asked).await;
        assert_eq!((answer.error_code, &*answer.assignment), (0, &b"all"[..]));
        let asked = HeartbeatRequest::default().with_group_id(group.clone()).with_generation_id(generation);
        let answer: HeartbeatResponse =
            wire.ask(ApiKey::Heartbeat, sync, &asked.clone().with_member_id(id.clone())).await;
        assert_eq!(answer.error_code, 0);
        let answer: HeartbeatResponse = wire.ask(ApiKey::Heartbeat, sync, &asked).await;
        assert_eq!(answer.error_code, ResponseError::UnknownMemberId.code());
        commit_and_fetch(&mut wire, version, &group, &id, generation).await;
        describe(&mut wire, version.min(4), &group, &id).await;
        leave(&mut wire, version.min(3), &group, &id).await;
    }
    let answer: ListGroupsResponse = wire.ask(ApiKey::ListGroups, 2, &ListGroupsRequest::default()).await;
    assert_eq!(answer.groups.len(), 6, "they have committed");
    for (version, name, code) in [(0, "g0", 0), (1, "g0", 69), (1, "never", 69)] {
        let asked = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(name))]);
        let answer: DeleteGroupsResponse = wire.ask(ApiKey::DeleteGroups, version, &asked).await;
        assert_eq!(answer.results[0].error_code, code);
    }
    server.stop().await;
}

async fn join(wire: &mut Wire, version: i16, group: &GroupId) -> (kafka_protocol::protocol::StrBytes, i32) {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata("topics".into());
    let mut asked = JoinGroupRequest::default()
        .with_group_id(group.clone())
        .with_session_timeout_ms(6_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    if version >= 1 {
        asked.rebalance_timeout_ms = 6_000;
    }
    if version >= 4 {
        let answer: JoinGroupResponse = wire.ask(ApiKey::JoinGroup, version, &asked).await;
        assert_eq!(answer.error_code, ResponseError::MemberIdRequired.code());
        asked.member_id = answer.member_id;
    }
    let answer: JoinGroupResponse = wire.ask(ApiKey::JoinGroup, version, &asked).await;
    assert_eq!((answer.error_code, answer.members.len(), &answer.leader), (0, 1, &answer.member_id));
    assert_eq!(&*answer.members[0].metadata, b"topics");
    let wrong = asked.clone().with_session_timeout_ms(10);
    let refused: JoinGroupResponse = wire.ask(ApiKey::JoinGroup, version, &wrong).await;
    assert_eq!(refused.error_code, ResponseError::InvalidSessionTimeout.code());
    (answer.member_id, answer.generation_id)
}

async fn commit_and_fetch(
    wire: &mut Wire,
    round: i16,
    group: &GroupId,
    id: &kafka_protocol::protocol::StrBytes,
    generation: i32,
) {
    let (commit, fetch) = (round + 2, (round + 1).min(5));
    let partition = |number| {
        let metadata = Some(text("where I was"));
        OffsetCommitRequestPartition::default()
            .with_partition_index(number)
            .with_committed_offset(7)
            .with_committed_metadata(metadata)
    };
    let topic = |name: &str| OffsetCommitRequestTopic::default().with_name(TopicName(text(name)));
    let topics = vec![
        topic("t").with_partitions(vec![partition(0), partition(1)]),
        topic("u").with_partitions(vec![partition(0)]),
    ];
    let asked = OffsetCommitRequest::default().with_group_id(group.clone()).with_topics(topics);
    let member = asked.clone().with_member_id(id.clone()).with_generation_id_or_member_epoch(generation);
    let answer: OffsetCommitResponse = wire.ask(ApiKey::OffsetCommit, commit, &member).await;
    let codes: Vec<_> = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|it| it.error_code).collect();
    assert_eq!(codes, [0, 3, 3]);
    let stranger = asked.with_generation_id_or_member_epoch(-1);
    let answer: OffsetCommitResponse = wire.ask(ApiKey::OffsetCommit, commit, &stranger).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, ResponseError::UnknownMemberId.code());

    let topic = OffsetFetchRequestTopic::default().with_name(TopicName(text("t"))).with_partition_indexes(vec![0, 5]);
    let asked = OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(Some(vec![topic]));
    let answer: OffsetFetchResponse = wire.ask(ApiKey::OffsetFetch, fetch, &asked).await;
    let partitions = &answer.topics[0].partitions;
    assert_eq!((partitions[0].committed_offset, partitions[0].metadata.as_deref()), (7, Some("where I was")));
    assert_eq!((partitions[1].committed_offset, partitions[1].error_code), (-1, 0));
    if fetch >= 2 {
        let answer: OffsetFetchResponse = wire.ask(ApiKey::OffsetFetch, fetch, &asked.with_topics(None)).await;
        assert_eq!((answer.topics.len(), answer.topics[0].partitions.len()), (1, 1));
    }
}

async fn describe(wire: &mut Wire, version: i16, group: &GroupId, id: &kafka_protocol::protocol::StrBytes) {
    let asked = DescribeGroupsRequest::default().with_groups(vec![group.clone(), GroupId(text("zzz"))]);
    let answer: DescribeGroupsResponse = wire.ask(ApiKey::DescribeGroups, version, &asked).await;
    let (known, unknown) = (&answer.groups[0], &answer.groups[1]);
    assert_eq!((&*known.group_state, &*unknown.group_state), ("Stable", "Dead"));
    assert_eq!((&known.members[0].member_id, &*known.members[0].client_id), (id, "test"));
    assert_eq!(&*known.members[0].member_assignment, b"all");
}

async fn leave(wire: &mut Wire, version: i16, group: &GroupId, id: &kafka_protocol::protocol::StrBytes) {
    let asked = LeaveGroupRequest::default().with_group_id(group.clone());
    let asked = if version < 3 {
        asked.with_member_id(id.clone())
    } else {
        asked.with_members(vec![MemberIdentity::default().with_member_id(id.clone())])
    };
    for code in [0, ResponseError::UnknownMemberId.code()] {
        let answer: LeaveGroupResponse = wire.ask(ApiKey::LeaveGroup, version, &asked).await;
        let found = if version < 3 { answer.error_code } else { answer.members[0].error_code };
        assert_eq!(found, code);
    }
}

#[tokio::test]
async fn shutdown_answers_what_waits() {
    let (_folder, server, mut wire) = start().await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let id = wire.send(ApiKey::Fetch, 11, &fetch("t", 0, 0, 60_000, 1 << 20)).await;
    let mut produces = Wire::connect(server.address).await;
    let produce = produces.send(ApiKey::Produce, 7, &produce(-1, "t", 7, batch(&["x"]))).await;
    let _ = produces.receive(produce).await; // both connections are up
    let began = std::time::Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    wire.receive(id).await;
    assert!(wire.receive_any().await.is_none(), "then it is closed");
}

#[tokio::test]
async fn other_kinds_and_versions_end_their_connection_only() {
    let (_folder, server, mut healthy) = start().await;
    for (kind, version) in [(ApiKey::Metadata, 9), (ApiKey::SaslHandshake, 1)] {
        let mut wire = Wire::connect(server.address).await;
        let mut bytes = encode(ApiKey::Metadata, 8, 1, &MetadataRequest::default()).to_vec();
        bytes[4..6].copy_from_slice(&(kind as i16).to_be_bytes());
        bytes[6..8].copy_from_slice(&i16::to_be_bytes(version));
        tokio::io::AsyncWriteExt::write_all(&mut wire.stream, &bytes).await.unwrap();
        assert!(wire.receive_any().await.is_none());
    }
    let _: MetadataResponse = healthy.ask(ApiKey::Metadata, 8, &MetadataRequest::default()).await;
    server.stop().await;
}

async fn start() -> (tempfile::TempDir, Server, Wire) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let wire = Wire::connect(server.address).await;
    (folder, server, wire)
}

fn list_offsets(topic: &str, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(TopicName(text(topic))).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_topics(vec![topic])
}
