//! Members with lasting names (`group.instance.id`), over real sockets. Source: Kafka's KIP-345.
#![allow(clippy::unwrap_used)]

mod listener_support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use embedded_log::{Log, Options, batch::NewRecord, listener::ListenerOptions};
use kafka_protocol::{
    ResponseError,
    messages::{
        join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
        sync_group_request::SyncGroupRequestAssignment, *,
    },
    protocol::{Decodable, StrBytes},
};
use listener_support::{Server, Wire, commit_request, text};

const SESSION: Duration = Duration::from_secs(30);
const SHORT_SESSION: Duration = Duration::from_secs(3);
const FENCED: i16 = ResponseError::FencedInstanceId.code();

#[tokio::test]
async fn a_static_member_that_comes_back_in_time_goes_on_with_its_assignment() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let (mut one, gone) = pair(&server, SESSION).await;
    let old = gone.id.clone();
    drop(gone); // without a word, as a process that was killed

    let mut back = Member::new(&server, "two", SESSION).await;
    let joined = back.join().await;
    assert_eq!((joined.error_code, joined.generation_id, joined.members.len()), (0, one.generation, 0));
    assert_ne!(joined.member_id, old);
    assert_eq!(back.sync(&[]).await, Ok("right".into()));
    for member in [&mut one, &mut back] {
        assert_eq!((member.heartbeat().await, member.commit().await), (0, 0), "nobody has to join again");
    }
    assert_eq!(one.sync(&[]).await, Ok("left".into()));

    // Whoever still goes by the old id is told that it was replaced, and disturbs nobody.
    let mut ghost = Member::new(&server, "two", SESSION).await;
    (ghost.id, ghost.generation) = (old, back.generation);
    assert_eq!((ghost.heartbeat().await, ghost.commit().await), (FENCED, FENCED));
    assert_eq!(ghost.sync(&[]).await, Err(FENCED));
    assert_eq!(ghost.leave().await, FENCED);
    assert_eq!(ghost.join().await.error_code, FENCED);
    for member in [&mut one, &mut back] {
        assert_eq!((member.heartbeat().await, member.commit().await), (0, 0));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_static_leader_that_comes_back_does_not_assign_anew() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let (gone, mut two) = pair(&server, SESSION).await;
    let old = gone.id.clone();
    drop(gone);
    let mut back = Member::new(&server, "one", SESSION).await;
    let joined = back.join().await;
    assert_eq!((joined.error_code, joined.generation_id), (0, two.generation));
    assert_eq!((joined.leader, joined.members.len()), (old, 0), "it does not take itself for the leader");
    assert_eq!(back.sync(&[]).await, Ok("left".into()));
    assert_eq!(two.heartbeat().await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_static_member_that_stays_away_is_waited_for_as_long_as_its_session() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    server.log.create_topic("t", 1, Vec::new()).await.unwrap();
    let (mut one, mut gone) = pair(&server, SHORT_SESSION).await;
    let generation = one.generation;
    let asked = one.start_join().await; // a leader that joins again asks for a new generation
    let before_its_last_word = Instant::now();
    gone.hear_of_a_rebalance().await;
    let joined = one.end_join(asked).await;
    assert!(before_its_last_word.elapsed() >= SHORT_SESSION);
    assert_eq!((joined.generation_id, joined.members.len()), (generation + 1, 1));
    assert_eq!(one.sync(&[]).await, Ok("".into()));
    assert_eq!(gone.heartbeat().await, ResponseError::UnknownMemberId.code());
    assert_eq!(gone.join().await.error_code, ResponseError::UnknownMemberId.code());
    server.stop().await;
}

/// However long its topics are quiet; a group without members is forgotten meanwhile.
#[tokio::test]
async fn a_group_with_members_keeps_what_it_has_committed() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { segment_bytes: 1 << 20, preallocate_bytes: 1 << 20, ..Options::default() };
    let options = Options { offsets_retention: Duration::from_secs(8), ..small };
    let server = Server::start_over(Log::open(folder.path(), options).unwrap(), ListenerOptions::default()).await;
    let partition = server.log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    let mut member = Member::new(&server, "one", SESSION).await;
    assert_eq!(member.join().await.error_code, 0);
    let id = member.id.clone();
    assert_eq!(member.sync(&[(&id, "all")]).await, Ok("all".into()));
    assert_eq!(member.commit().await, 0);
    let alone: OffsetCommitResponse = member.wire.ask(ApiKey::OffsetCommit, 7, &commit_request("alone", "")).await;
    assert_eq!(alone.topics[0].partitions[0].error_code, 0);

    let quiet = async {
        while server.log.groups().iter().any(|group| group == "alone") {
            // Whatever else is written: with each segment the log looks what has been silent for too long.
            for _ in 0..8 {
                let record = NewRecord { timestamp_ms: 1, key: None, value: Some(&[0; 256 << 10]), headers: &[] };
                server.log.append(&partition, record).unwrap().await.unwrap();
            }
            assert_eq!(member.heartbeat().await, 0);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), quiet).await.expect("who has no members is forgotten");
    assert_eq!(server.log.groups(), ["g"]);
    assert_eq!(server.log.committed_offsets("g")[0].offset, 1);
    server.stop().await;
}

/// A member of the group `g` on a connection of its own, with a lasting name.
struct Member {
    wire: Wire,
    name: &'static str,
    session: Duration,
    id: StrBytes,
    generation: i32,
}

impl Member {
    async fn new(server: &Server, name: &'static str, session: Duration) -> Self {
        let wire = Wire::connect(server.address).await;
        Self { wire, name, session, id: StrBytes::new(), generation: -1 }
    }

    fn join_request(&self) -> JoinGroupRequest {
        let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata("t".into());
        JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(self.session.as_millis() as i32)
            .with_rebalance_timeout_ms(30_000)
            .with_member_id(self.id.clone())
            .with_group_instance_id(Some(text(self.name)))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    }

    async fn start_join(&mut self) -> i32 {
        let asked = self.join_request();
        self.wire.send(ApiKey::JoinGroup, 5, &asked).await
    }

    async fn end_join(&mut self, asked: i32) -> JoinGroupResponse {
        let mut answer = self.wire.receive(asked).await;
        let answer = JoinGroupResponse::decode(&mut answer, 5).unwrap();
        (self.id, self.generation) = (answer.member_id.clone(), answer.generation_id);
        answer
    }

    async fn join(&mut self) -> JoinGroupResponse {
        let asked = self.start_join().await;
        self.end_join(asked).await
    }

    async fn sync(&mut self, assignments: &[(&StrBytes, &'static str)]) -> Result<Bytes, i16> {
        let assignments = assignments.iter().map(|(id, assignment)| {
            let one = SyncGroupRequestAssignment::default().with_member_id((*id).clone());
            one.with_assignment((*assignment).into())
        });
        let asked = SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(Some(text(self.name)))
            .with_assignments(assignments.collect());
        let answer: SyncGroupResponse = self.wire.ask(ApiKey::SyncGroup, 3, &asked).await;
        if answer.error_code == 0 { Ok(answer.assignment) } else { Err(answer.error_code) }
    }

    async fn heartbeat(&mut self) -> i16 {
        let asked = HeartbeatRequest::default()
            .with_group_id(group())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(Some(text(self.name)));
        let answer: HeartbeatResponse = self.wire.ask(ApiKey::Heartbeat, 3, &asked).await;
        answer.error_code
    }

    async fn hear_of_a_rebalance(&mut self) {
        let heard = async { while self.heartbeat().await != ResponseError::RebalanceInProgress.code() {} };
        tokio::time::timeout(SESSION, heard).await.expect("in time");
    }

    async fn commit(&mut self) -> i16 {
        let asked = commit_request("g", "")
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(Some(text(self.name)));
        let answer: OffsetCommitResponse = self.wire.ask(ApiKey::OffsetCommit, 7, &asked).await;
        answer.topics[0].partitions[0].error_code
    }

    async fn leave(&mut self) -> i16 {
        let member = MemberIdentity::default().with_member_id(self.id.clone());
        let member = member.with_group_instance_id(Some(text(self.name)));
        let asked = LeaveGroupRequest::default().with_group_id(group()).with_members(vec![member]);
        let answer: LeaveGroupResponse = self.wire.ask(ApiKey::LeaveGroup, 3, &asked).await;
        answer.members[0].error_code
    }
}

/// `one`, which leads and has `left`, and `two`, which has `right` and a session of so long.
async fn pair(server: &Server, session: Duration) -> (Member, Member) {
    let mut one = Member::new(server, "one", SESSION).await;
    let mut two = Member::new(server, "two", session).await;
    assert_eq!(one.join().await.error_code, 0);
    let asked = two.start_join().await;
    one.hear_of_a_rebalance().await;
    let joined = one.join().await;
    assert_eq!((joined.error_code, joined.members.len(), &joined.leader), (0, 2, &one.id));
    assert_eq!(two.end_join(asked).await.generation_id, one.generation);
    let (first, second) = (one.id.clone(), two.id.clone());
    assert_eq!(one.sync(&[(&first, "left"), (&second, "right")]).await, Ok("left".into()));
    assert_eq!(two.sync(&[]).await, Ok("right".into()));
    (one, two)
}

fn group() -> GroupId {
    GroupId(text("g"))
}
