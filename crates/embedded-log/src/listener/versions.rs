//! `OFFERS`: the kinds and versions of requests that are answered, and what each looks like on the wire.

use kafka_protocol::messages::ApiKey;

use super::shape::Shape::{self, Array, Bytes, Fixed, From, Text, UpTo};

/// A kind of request.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) kind: ApiKey,
    pub(super) name: &'static str,
    pub(super) min: i16,
    pub(super) max: i16,
    pub(super) shape: &'static [Shape],
}

/// The kind with this key, and its place in [`OFFERS`].
pub(super) fn find(key: i16) -> Option<(usize, &'static Offer)> {
    OFFERS.iter().enumerate().find(|(_, offer)| offer.kind as i16 == key)
}

/// All of them. Only versions of the fixed encoding, which every client of today still speaks; `ApiVersions` alone has to
/// have a flexible one.
pub(super) const OFFERS: &[Offer] = &[
    offer(ApiKey::Produce, "Produce", 3, 8, &[Text, Fixed(2), Fixed(4), Array(&[Text, Array(&[Fixed(4), Bytes])])]),
    offer(
        ApiKey::Fetch,
        "Fetch",
        4,
        11,
        &[
            Fixed(17),
            From(7, &Fixed(8)),
            Array(&[Text, Array(&[Fixed(4), From(9, &Fixed(4)), Fixed(8), From(5, &Fixed(8)), Fixed(4)])]),
            From(7, &Array(&[Text, Array(&[Fixed(4)])])),
            From(11, &Text),
        ],
    ),
    offer(
        ApiKey::ListOffsets,
        "ListOffsets",
        1,
        5,
        &[Fixed(4), From(2, &Fixed(1)), Array(&[Text, Array(&[Fixed(4), From(4, &Fixed(4)), Fixed(8)])])],
    ),
    offer(ApiKey::Metadata, "Metadata", 0, 8, &[Array(&[Text]), From(4, &Fixed(1)), From(8, &Fixed(2))]),
    offer(
        ApiKey::OffsetCommit,
        "OffsetCommit",
        2,
        7,
        &[
            Text,
            Fixed(4),
            Text,
            From(7, &Text),
            UpTo(4, &Fixed(8)),
            Array(&[Text, Array(&[Fixed(4), Fixed(8), From(6, &Fixed(4)), Text])]),
        ],
    ),
    offer(ApiKey::OffsetFetch, "OffsetFetch", 1, 5, &[Text, Array(&[Text, Array(&[Fixed(4)])])]),
    offer(ApiKey::FindCoordinator, "FindCoordinator", 0, 2, &[Text, From(1, &Fixed(1))]),
    offer(
        ApiKey::JoinGroup,
        "JoinGroup",
        0,
        5,
        &[Text, Fixed(4), From(1, &Fixed(4)), Text, From(5, &Text), Text, Array(&[Text, Bytes])],
    ),
    offer(ApiKey::Heartbeat, "Heartbeat", 0, 3, &[Text, Fixed(4), Text, From(3, &Text)]),
    offer(ApiKey::LeaveGroup, "LeaveGroup", 0, 3, &[Text, UpTo(2, &Text), From(3, &Array(&[Text, Text]))]),
    offer(ApiKey::SyncGroup, "SyncGroup", 0, 3, &[Text, Fixed(4), Text, From(3, &Text), Array(&[Text, Bytes])]),
    offer(ApiKey::DescribeGroups, "DescribeGroups", 0, 4, &[Array(&[Text]), From(3, &Fixed(1))]),
    offer(ApiKey::ListGroups, "ListGroups", 0, 2, &[]),
    offer(ApiKey::ApiVersions, "ApiVersions", 0, 3, &[]),
    offer(
        ApiKey::CreateTopics,
        "CreateTopics",
        2,
        4,
        &[Array(&[Text, Fixed(6), Array(&[Fixed(4), Array(&[Fixed(4)])]), Array(&[Text, Text])]), Fixed(5)],
    ),
    offer(ApiKey::DeleteTopics, "DeleteTopics", 1, 3, &[Array(&[Text]), Fixed(4)]),
    offer(ApiKey::InitProducerId, "InitProducerId", 0, 1, &[Text, Fixed(4)]),
    offer(
        ApiKey::DescribeConfigs,
        "DescribeConfigs",
        1,
        3,
        &[Array(&[Fixed(1), Text, Array(&[Text])]), Fixed(1), From(3, &Fixed(1))],
    ),
    offer(ApiKey::AlterConfigs, "AlterConfigs", 0, 1, &[Array(&[Fixed(1), Text, Array(&[Text, Text])]), Fixed(1)]),
    offer(
        ApiKey::CreatePartitions,
        "CreatePartitions",
        0,
        1,
        &[Array(&[Text, Fixed(4), Array(&[Array(&[Fixed(4)])])]), Fixed(5)],
    ),
    offer(ApiKey::DeleteGroups, "DeleteGroups", 0, 1, &[Array(&[Text])]),
    offer(
        ApiKey::IncrementalAlterConfigs,
        "IncrementalAlterConfigs",
        0,
        0,
        &[Array(&[Fixed(1), Text, Array(&[Text, Fixed(1), Text])]), Fixed(1)],
    ),
];

const fn offer(kind: ApiKey, name: &'static str, min: i16, max: i16, shape: &'static [Shape]) -> Offer {
    Offer { kind, name, min, max, shape }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::{
        messages::{
            alter_configs_request as alter, create_partitions_request as grow, create_topics_request as create,
            describe_configs_request as describe, fetch_request as fetch,
            incremental_alter_configs_request as incremental, join_group_request as join, leave_group_request as leave,
            list_offsets_request as list, metadata_request as metadata, offset_commit_request as commit,
            offset_fetch_request as offsets, produce_request as produce, sync_group_request as sync, *,
        },
        protocol::{Encodable, StrBytes},
    };

    use super::*;
    use crate::listener::shape::count_elements;

    /// The walk must end where the codec ends, in every version: else a count could be hidden from it.
    #[test]
    fn shapes_are_those_of_the_codec() {
        for (place, version, bytes) in samples() {
            let offer = &OFFERS[place];
            let name = format!("{} {version}", offer.name);
            assert!(count_elements(offer.shape, version, &bytes, 100).is_some(), "{name}: too long");
            if let Some(cut) = bytes.len().checked_sub(1) {
                assert_eq!(count_elements(offer.shape, version, &bytes[..cut], 100), None, "{name}: too short");
            }
        }
    }

    fn samples() -> Vec<(usize, i16, Vec<u8>)> {
        let mut all = Vec::new();
        let mut add = |kind: ApiKey, encode: &dyn Fn(&mut BytesMut, i16)| {
            let (place, offer) = find(kind as i16).unwrap();
            for version in offer.min..=offer.max {
                let mut bytes = BytesMut::new();
                encode(&mut bytes, version);
                all.push((place, version, bytes.to_vec()));
            }
        };
        macro_rules! sample {
            ($kind:ident, |$version:ident| $request:expr) => {
                add(ApiKey::$kind, &|bytes, $version| $request.encode(bytes, $version).unwrap())
            };
        }
        let text = || StrBytes::from_static_str("text");
        let (topic, group) = (|| TopicName(text()), || GroupId(text()));
        sample!(Produce, |_v| {
            let data = produce::PartitionProduceData::default().with_records(Some("records".into()));
            let data = produce::TopicProduceData::default().with_name(topic()).with_partition_data(vec![data; 2]);
            ProduceRequest::default().with_topic_data(vec![data; 2])
        });
        sample!(Fetch, |v| {
            let data = fetch::FetchTopic::default()
                .with_topic(topic())
                .with_partitions(vec![fetch::FetchPartition::default(); 2]);
            let request = FetchRequest::default().with_topics(vec![data; 2]);
            let forgotten = fetch::ForgottenTopic::default().with_topic(topic()).with_partitions(vec![1, 2]);
            let request = if v >= 7 { request.with_forgotten_topics_data(vec![forgotten]) } else { request };
            if v >= 11 { request.with_rack_id(text()) } else { request }
        });
        sample!(ListOffsets, |_v| {
            let partitions = vec![list::ListOffsetsPartition::default(); 2];
            ListOffsetsRequest::default()
                .with_topics(vec![list::ListOffsetsTopic::default().with_name(topic()).with_partitions(partitions)])
        });
        sample!(Metadata, |_v| {
            MetadataRequest::default()
                .with_topics(Some(vec![metadata::MetadataRequestTopic::default().with_name(Some(topic()))]))
        });
        sample!(OffsetCommit, |_v| {
            let partition = commit::OffsetCommitRequestPartition::default().with_committed_metadata(Some(text()));
            let data =
                commit::OffsetCommitRequestTopic::default().with_name(topic()).with_partitions(vec![partition; 2]);
            OffsetCommitRequest::default().with_group_id(group()).with_member_id(text()).with_topics(vec![data])
        });
        sample!(OffsetFetch, |_v| {
            let data =
                offsets::OffsetFetchRequestTopic::default().with_name(topic()).with_partition_indexes(vec![1, 2]);
            OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![data]))
        });
        sample!(FindCoordinator, |_v| FindCoordinatorRequest::default().with_key(text()));
        sample!(JoinGroup, |v| {
            let protocol = join::JoinGroupRequestProtocol::default().with_name(text()).with_metadata("m".into());
            let request = JoinGroupRequest::default()
                .with_group_id(group())
                .with_protocol_type(text())
                .with_protocols(vec![protocol]);
            if v >= 5 { request.with_group_instance_id(Some(text())) } else { request }
        });
        sample!(Heartbeat, |v| {
            let request = HeartbeatRequest::default().with_group_id(group()).with_member_id(text());
            if v >= 3 { request.with_group_instance_id(Some(text())) } else { request }
        });
        sample!(LeaveGroup, |v| {
            let request = LeaveGroupRequest::default().with_group_id(group());
            let member = leave::MemberIdentity::default().with_member_id(text());
            if v >= 3 { request.with_members(vec![member; 2]) } else { request.with_member_id(text()) }
        });
        sample!(SyncGroup, |_v| {
            let assignment =
                sync::SyncGroupRequestAssignment::default().with_member_id(text()).with_assignment("a".into());
            SyncGroupRequest::default().with_group_id(group()).with_member_id(text()).with_assignments(vec![assignment])
        });
        sample!(DescribeGroups, |_v| DescribeGroupsRequest::default().with_groups(vec![group(); 2]));
        sample!(ListGroups, |_v| ListGroupsRequest::default());
        sample!(CreateTopics, |_v| {
            let assignment = create::CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1); 2]);
            let config = create::CreatableTopicConfig::default().with_name(text()).with_value(Some(text()));
            let data = create::CreatableTopic::default()
                .with_name(topic())
                .with_assignments(vec![assignment])
                .with_configs(vec![config]);
            CreateTopicsRequest::default().with_topics(vec![data; 2])
        });
        sample!(DeleteTopics, |_v| DeleteTopicsRequest::default().with_topic_names(vec![topic(); 2]));
        sample!(InitProducerId, |_v| InitProducerIdRequest::default());
        sample!(DescribeConfigs, |_v| {
            let resource = describe::DescribeConfigsResource::default()
                .with_resource_name(text())
                .with_configuration_keys(Some(vec![text()]));
            DescribeConfigsRequest::default().with_resources(vec![resource; 2])
        });
        sample!(AlterConfigs, |_v| {
            let config = alter::AlterableConfig::default().with_name(text()).with_value(Some(text()));
            AlterConfigsRequest::default()
                .with_resources(vec![alter::AlterConfigsResource::default().with_configs(vec![config])])
        });
        sample!(CreatePartitions, |_v| {
            let assignment = grow::CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(1)]);
            let data =
                grow::CreatePartitionsTopic::default().with_name(topic()).with_assignments(Some(vec![assignment]));
            CreatePartitionsRequest::default().with_topics(vec![data])
        });
        sample!(DeleteGroups, |_v| DeleteGroupsRequest::default().with_groups_names(vec![group()]));
        sample!(IncrementalAlterConfigs, |_v| {
            let config = incremental::AlterableConfig::default().with_name(text()).with_value(Some(text()));
            let resource = incremental::AlterConfigsResource::default().with_configs(vec![config]);
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
        });
        assert_eq!(
            all.iter().map(|(place, ..)| place).collect::<std::collections::BTreeSet<_>>().len(),
            OFFERS.len() - 1
        );
        all
    }
}
