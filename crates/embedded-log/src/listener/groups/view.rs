//! ListGroups, DescribeGroups, DeleteGroups: for people and their tools.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kafka_protocol::{
    ResponseError,
    messages::{
        DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
        ListGroupsRequest, ListGroupsResponse,
        delete_groups_response::DeletableGroupResult,
        describe_groups_response::{DescribedGroup, DescribedGroupMember},
        list_groups_response::ListedGroup,
    },
    protocol::StrBytes,
};

use super::state::{Group, Member};
use crate::listener::{
    errors,
    node::Node,
    request::{Refusal, Request},
    response::Response,
};

/// Groups that have members, or have committed something.
pub(in crate::listener) fn list(node: &Arc<Node>, request: &Request) -> Result<Response, Refusal> {
    let _: ListGroupsRequest = request.decode()?;
    let mut groups: BTreeMap<_, _> = node.log.groups().into_iter().map(|id| (id, CONSUMER)).collect();
    node.groups.each(|id, group| {
        groups.insert(id.to_string(), group.protocol_type().map(|kind| text(kind)).unwrap_or_default());
    });
    let listed = groups.into_iter().map(|(id, protocol_type)| {
        ListedGroup::default().with_group_id(GroupId(StrBytes::from_string(id))).with_protocol_type(protocol_type)
    });
    Response::new(request, &ListGroupsResponse::default().with_groups(listed.collect()))
}

pub(in crate::listener) fn describe(node: &Arc<Node>, request: &Request) -> Result<Response, Refusal> {
    let asked: DescribeGroupsRequest = request.decode()?;
    let stored: BTreeSet<_> = node.log.groups().into_iter().collect();
    let ids: BTreeSet<_> = asked.groups.into_iter().collect();
    let groups = ids.into_iter().map(|id| {
        let found = node.groups.touch(&id, |group, _| describe_one(group, request.version));
        let state = if stored.contains(id.as_str()) { "Empty" } else { "Dead" };
        let kind = if stored.contains(id.as_str()) { CONSUMER } else { StrBytes::new() };
        let without_members =
            || DescribedGroup::default().with_group_state(StrBytes::from_static_str(state)).with_protocol_type(kind);
        found.unwrap_or_else(without_members).with_group_id(id)
    });
    Response::new(request, &DescribeGroupsResponse::default().with_groups(groups.collect()))
}

fn describe_one(group: &Group, version: i16) -> DescribedGroup {
    let protocol = group.protocol().map(|protocol| protocol.to_string()).unwrap_or_default();
    let members = group.members().map(|(id, member)| describe_member(id, member, &protocol, version)).collect();
    DescribedGroup::default()
        .with_group_state(StrBytes::from_static_str(group.state_name()))
        .with_protocol_type(group.protocol_type().map(|kind| text(kind)).unwrap_or_default())
        .with_protocol_data(StrBytes::from_string(protocol))
        .with_members(members)
}

fn describe_member(id: &str, member: &Member, protocol: &str, version: i16) -> DescribedGroupMember {
    let described = DescribedGroupMember::default()
        .with_member_id(text(id))
        .with_client_id(text(&member.client_id))
        .with_client_host(StrBytes::from_string(format!("/{}", member.client_host)))
        .with_member_metadata(member.metadata(protocol))
        .with_member_assignment(member.assignment.clone());
    if version >= 4 { described.with_group_instance_id(member.instance.as_deref().map(text)) } else { described }
}

/// Forgets what groups without members have committed.
pub(in crate::listener) async fn delete(node: Arc<Node>, request: Request) -> Result<Response, Refusal> {
    let asked: DeleteGroupsRequest = request.decode()?;
    let mut response = DeleteGroupsResponse::default();
    let ids: BTreeSet<_> = asked.groups_names.into_iter().collect();
    let stored: BTreeSet<_> = node.log.groups().into_iter().collect();
    for id in ids {
        let deleted = match node.groups.touch(&id, |_, _| ()) {
            Some(()) => Err(ResponseError::NonEmptyGroup),
            None if !stored.contains(id.as_str()) => Err(ResponseError::GroupIdNotFound),
            None => node.log.forget_group(&id).await.map_err(|error| errors::commit(&error)),
        };
        response.results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(errors::code(deleted)));
    }
    Response::new(&request, &response)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The type of groups that nobody is in but that have committed something.
const CONSUMER: StrBytes = StrBytes::from_static_str("consumer");
