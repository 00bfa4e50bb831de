//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup: messages to calls of a group and back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kafka_protocol::{
    ResponseError,
    messages::{
        HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse, join_group_response::JoinGroupResponseMember,
        leave_group_response::MemberResponse,
    },
    protocol::StrBytes,
};
use tokio::sync::oneshot;

use super::{
    Groups,
    state::{Answer, Caller, Join, Joined, Member, Subscription},
};
use crate::listener::{
    errors,
    node::{Client, Node},
    request::{Refusal, Request},
    response::{Reply, Response},
};

/// Joins; answered when the next generation begins. Nothing of the request's bytes is kept.
pub(in crate::listener) fn join(node: &Arc<Node>, client: &Client, request: Request) -> Result<Reply, Refusal> {
    let asked: JoinGroupRequest = request.decode()?;
    let given_id = asked.member_id.clone();
    let waiting = check_group(&asked.group_id).and_then(|()| {
        let group = asked.group_id.as_str().into();
        let join = to_join(&node.groups, client, &request, asked)?;
        let bytes = join.subscriptions.iter().map(|it| it.protocol.len() + it.metadata.len());
        let bytes = bytes.sum::<usize>() + Member::OVERHEAD_BYTES;
        node.groups.join(&group, bytes, join)
    });
    let (correlation_id, version) = (request.correlation_id, request.version);
    match waiting {
        Ok(waiting) => {
            let node = node.clone();
            let answer = async move {
                let answer = answered(&node, waiting, Answer::NotJoined(STOPPING, "".into())).await;
                Response::encode(correlation_id, version, &joined(answer, version))
            };
            Ok(Reply::Later(Box::pin(answer)))
        }
        Err(error) => {
            let answer = joined(Answer::NotJoined(error, given_id.as_str().into()), version);
            Response::encode(correlation_id, version, &answer).map(Reply::Now)
        }
    }
}

fn to_join(
    groups: &Groups,
    client: &Client,
    request: &Request,
    asked: JoinGroupRequest,
) -> Result<Join, ResponseError> {
    let session_timeout = milliseconds(asked.session_timeout_ms);
    let allowed = groups.options().min_session_timeout..=groups.options().max_session_timeout;
    if !allowed.contains(&session_timeout) {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    let rebalance_timeout =
        if request.version >= 1 { milliseconds(asked.rebalance_timeout_ms) } else { session_timeout };
    let client_id: Arc<str> = request.client_id.as_deref().unwrap_or_default().into();
    let instance: Option<Arc<str>> = asked.group_instance_id.as_deref().map(Into::into);
    let subscriptions = asked.protocols.iter().map(|protocol| Subscription {
        protocol: protocol.name.as_str().into(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    Ok(Join {
        ticket: 0, // given when it waits
        member_id: asked.member_id.as_str().into(),
        fresh_id: fresh_id(instance.as_deref().unwrap_or(&client_id))?,
        instance,
        id_required: request.version >= 4,
        client_id,
        client_host: client.address.clone(),
        session_timeout,
        rebalance_timeout: rebalance_timeout.max(session_timeout.min(LEAST_REBALANCE)),
        protocol_type: asked.protocol_type.as_str().into(),
        subscriptions: subscriptions.collect(),
    })
}

/// A name nobody had before, after the member's own.
fn fresh_id(name: &str) -> Result<Arc<str>, ResponseError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| ResponseError::UnknownServerError)?;
    let name: String = name.chars().take(MAX_NAME_IN_ID).collect();
    Ok(format!("{name}-{:032x}", u128::from_be_bytes(random)).into())
}

fn joined(answer: Answer, version: i16) -> JoinGroupResponse {
    let response = JoinGroupResponse::default();
    match answer {
        Answer::Joined(Joined { member_id, generation, protocol, leader, members }) => {
            let members = members.into_iter().map(|(id, instance, metadata)| {
                let member = JoinGroupResponseMember::default().with_member_id(text(&id)).with_metadata(metadata);
                if version >= 5 { member.with_group_instance_id(instance.as_deref().map(text)) } else { member }
            });
            response
                .with_generation_id(generation)
                .with_protocol_name(Some(text(&protocol)))
                .with_leader(text(&leader))
                .with_member_id(text(&member_id))
                .with_members(members.collect())
        }
        Answer::NotJoined(error, id) => not_joined(response, error, &id),
        Answer::Assigned(_) | Answer::NotAssigned(_) => not_joined(response, ResponseError::UnknownServerError, ""),
    }
}

fn not_joined(response: JoinGroupResponse, error: ResponseError, id: &str) -> JoinGroupResponse {
    let response = response.with_error_code(error.code()).with_generation_id(-1).with_member_id(text(id));
    response.with_protocol_name(Some(StrBytes::new()))
}

/// Asks for an assignment; answered when the leader has brought it.
pub(in crate::listener) fn sync(node: &Arc<Node>, request: &Request) -> Result<Reply, Refusal> {
    let asked: SyncGroupRequest = request.decode()?;
    let caller = Caller {
        member_id: asked.member_id.as_str().into(),
        instance: asked.group_instance_id.as_deref().map(Into::into),
        generation: asked.generation_id,
    };
    let bytes = asked.assignments.iter().map(|it| it.assignment.len()).sum();
    let assignments = asked.assignments.iter().map(|it| {
        let id: Arc<str> = it.member_id.as_str().into();
        (id, Bytes::copy_from_slice(&it.assignment))
    });
    let group = asked.group_id.as_str().into();
    let waiting = node.groups.sync(&group, bytes, &caller, assignments.collect());
    let (correlation_id, version) = (request.correlation_id, request.version);
    match waiting {
        Ok(waiting) => {
            let node = node.clone();
            Ok(Reply::Later(Box::pin(async move {
                let answer = answered(&node, waiting, Answer::NotAssigned(STOPPING)).await;
                Response::encode(correlation_id, version, &assigned(answer))
            })))
        }
        Err(error) => Response::new(request, &assigned(Answer::NotAssigned(error))).map(Reply::Now),
    }
}

fn assigned(answer: Answer) -> SyncGroupResponse {
    match answer {
        Answer::Assigned(assignment) => SyncGroupResponse::default().with_assignment(assignment),
        Answer::NotAssigned(error) => SyncGroupResponse::default().with_error_code(error.code()),
        Answer::Joined(_) | Answer::NotJoined(..) => {
            SyncGroupResponse::default().with_error_code(ResponseError::UnknownServerError.code())
        }
    }
}

/// What a group answers, unless the listener stops first.
async fn answered(node: &Node, waiting: oneshot::Receiver<Answer>, stopped: Answer) -> Answer {
    tokio::select! {
        biased;
        answer = waiting => answer.unwrap_or(stopped),
        () = node.stopped() => stopped,
    }
}

pub(in crate::listener) fn heartbeat(node: &Arc<Node>, request: &Request) -> Result<Response, Refusal> {
    let asked: HeartbeatRequest = request.decode()?;
    let caller = Caller {
        member_id: asked.member_id.as_str().into(),
        instance: asked.group_instance_id.as_deref().map(Into::into),
        generation: asked.generation_id,
    };
    let alive = node.groups.touch(&asked.group_id, |group, now| group.heartbeat(now, &caller));
    let alive = alive.unwrap_or(Err(ResponseError::UnknownMemberId));
    Response::new(request, &HeartbeatResponse::default().with_error_code(errors::code(alive)))
}

pub(in crate::listener) fn leave(node: &Arc<Node>, request: &Request) -> Result<Response, Refusal> {
    let asked: LeaveGroupRequest = request.decode()?;
    let one = |id: &StrBytes, instance: Option<&StrBytes>| {
        let (id, instance) = (Arc::from(id.as_str()), instance.map(|instance| Arc::from(instance.as_str())));
        let left = node.groups.change(&asked.group_id, |group, now| group.leave(now, &id, instance.as_ref()));
        left.unwrap_or(Err(ResponseError::UnknownMemberId))
    };
    if request.version < 3 {
        let left = one(&asked.member_id, None);
        return Response::new(request, &LeaveGroupResponse::default().with_error_code(errors::code(left)));
    }
    let members = asked.members.iter().map(|member| {
        MemberResponse::default()
            .with_error_code(errors::code(one(&member.member_id, member.group_instance_id.as_ref())))
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
    });
    Response::new(request, &LeaveGroupResponse::default().with_members(members.collect()))
}

impl Groups {
    /// Whether the caller may commit offsets for a group now.
    pub(in crate::listener) fn check_commit(&self, group: &str, caller: &Caller) -> Result<(), ResponseError> {
        check_group(group)?;
        // Without members only consumers that assign themselves commit.
        let alone = if caller.generation < 0 { Ok(()) } else { Err(ResponseError::IllegalGeneration) };
        self.touch(group, |group, now| group.check_commit(now, caller)).unwrap_or(alone)
    }
}

fn check_group(group: &str) -> Result<(), ResponseError> {
    if group.is_empty() || group.len() > MAX_GROUP_ID { Err(ResponseError::InvalidGroupId) } else { Ok(()) }
}

fn milliseconds(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// What members are told who wait while the listener stops: look for the coordinator, then ask again.
const STOPPING: ResponseError = ResponseError::CoordinatorNotAvailable;
/// Longest id of a group, in bytes.
const MAX_GROUP_ID: usize = 1_024;
/// So much of its name is found again in a member's id.
const MAX_NAME_IN_ID: usize = 200;
/// A rebalance that members may not even have heard of helps nobody.
const LEAST_REBALANCE: Duration = Duration::from_secs(1);
