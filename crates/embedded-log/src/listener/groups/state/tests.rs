//! Dialogues with a group, with our own clock.

use std::collections::BTreeMap;

use super::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

#[test]
fn one_member_joins_syncs_and_beats() {
    let mut talk = Dialogue::new();
    let ticket = talk.join("", None);
    let joined = talk.joined(ticket);
    assert_eq!((joined.generation, &*joined.protocol), (1, "range"));
    assert_eq!(joined.leader, joined.member_id);
    assert_eq!(joined.members, [(joined.member_id.clone(), None, subscription("range"))]);
    let ticket = talk.sync(&joined, &[(&joined.member_id, "all")]);
    assert_eq!(talk.assigned(ticket), "all");
    assert_eq!(talk.heartbeat(&joined), Ok(()));
    assert_eq!(talk.group.state_name(), "Stable");
}

#[test]
fn members_from_version_4_on_are_told_their_id_first() {
    let mut talk = Dialogue::new();
    talk.id_required = true;
    let ticket = talk.join("", None);
    let (error, id) = talk.not_joined(ticket);
    assert_eq!(error, ResponseError::MemberIdRequired);
    assert!(!id.is_empty());
    let ticket = talk.join(&id, None);
    assert_eq!(talk.joined(ticket).member_id, id);
    let ticket = talk.join("never given", None);
    assert_eq!(talk.not_joined(ticket).0, ResponseError::UnknownMemberId);
}

#[test]
fn a_promised_id_lapses_with_the_session() {
    let mut talk = Dialogue::new();
    talk.id_required = true;
    let ticket = talk.join("", None);
    let (_, id) = talk.not_joined(ticket);
    assert_eq!(talk.group.next_deadline(), Some(talk.now + SESSION));
    talk.pass(SESSION);
    assert!(talk.group.is_empty());
    let ticket = talk.join(&id, None);
    assert_eq!(talk.not_joined(ticket).0, ResponseError::UnknownMemberId);
}

#[test]
fn a_second_member_makes_the_first_join_again() {
    let mut talk = Dialogue::new();
    let first = talk.alone();
    let second = talk.join("", None);
    assert!(talk.waits(second));
    assert_eq!(talk.heartbeat(&first), Err(ResponseError::RebalanceInProgress));
    assert_eq!(talk.commit(&first), Ok(()), "what was read before may be committed");
    let again = talk.join(&first.member_id, None);
    let (first, second) = (talk.joined(again), talk.joined(second));
    assert_eq!((first.generation, second.generation), (2, 2));
    assert_eq!((&first.leader, first.members.len(), second.members.len()), (&first.member_id, 2, 0));

    let waiting = talk.sync(&second, &[]);
    assert!(talk.waits(waiting));
    assert_eq!(talk.commit(&second), Err(ResponseError::RebalanceInProgress));
    let leads = talk.sync(&first, &[(&first.member_id, "left"), (&second.member_id, "right")]);
    assert_eq!((talk.assigned(leads), talk.assigned(waiting)), ("left".into(), "right".into()));
    assert_eq!(talk.commit(&second), Ok(()));
}

#[test]
fn who_does_not_join_again_in_time_is_out() {
    let mut talk = Dialogue::new();
    let first = talk.alone();
    let second = talk.join("", None);
    for _ in 0..12 {
        talk.pass(Duration::from_secs(5)); // it lives, but does not join
        let _ = talk.heartbeat(&first);
    }
    let second = talk.joined(second);
    assert_eq!((second.members.len(), &second.leader), (1, &second.member_id));
    assert_eq!(talk.heartbeat(&first), Err(ResponseError::UnknownMemberId));
}

#[test]
fn who_falls_silent_is_out() {
    let mut talk = Dialogue::new();
    let (first, second) = talk.pair();
    talk.pass(SESSION - Duration::from_secs(1));
    assert_eq!(talk.heartbeat(&first), Ok(()));
    talk.pass(Duration::from_secs(1));
    assert_eq!(talk.heartbeat(&first), Err(ResponseError::RebalanceInProgress));
    assert_eq!(talk.heartbeat(&second), Err(ResponseError::UnknownMemberId));
    let ticket = talk.join(&first.member_id, None);
    assert_eq!(talk.joined(ticket).members.len(), 1);
}

#[test]
fn a_leader_that_dies_before_it_assigns_leaves_nobody_waiting() {
    let mut talk = Dialogue::new();
    let (first, second) = talk.pair_joined();
    let waiting = talk.sync(&second, &[]);
    talk.pass(SESSION);
    assert_eq!(talk.not_assigned(waiting), ResponseError::RebalanceInProgress);
    let ticket = talk.join(&second.member_id, None);
    let second = talk.joined(ticket);
    assert_eq!((&second.leader, second.members.len()), (&second.member_id, 1));
    assert_eq!(talk.heartbeat(&first), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_leader_that_beats_but_never_assigns_is_out() {
    let mut talk = Dialogue::new();
    let (first, second) = talk.pair_joined();
    let waiting = talk.sync(&second, &[]);
    for _ in 0..REBALANCE.as_secs() / 5 {
        assert_eq!(talk.heartbeat(&first), Ok(()));
        talk.pass(Duration::from_secs(5));
    }
    assert_eq!(talk.not_assigned(waiting), ResponseError::RebalanceInProgress);
    assert_eq!(talk.heartbeat(&first), Err(ResponseError::UnknownMemberId));
}

#[test]
fn leaving_makes_the_others_join_again_and_the_last_empties_the_group() {
    let mut talk = Dialogue::new();
    let (first, second) = talk.pair();
    assert_eq!(talk.leave(&first.member_id, None), Ok(()));
    assert_eq!(talk.leave(&first.member_id, None), Err(ResponseError::UnknownMemberId));
    let ticket = talk.join(&second.member_id, None);
    assert_eq!(talk.joined(ticket).generation, 3);
    assert_eq!(talk.leave(&second.member_id, None), Ok(()));
    assert_eq!((talk.group.state_name(), talk.group.is_empty()), ("Empty", true));
    assert_eq!(talk.group.next_deadline(), None);
}

#[test]
fn a_wrong_generation_or_member_is_refused() {
    let mut talk = Dialogue::new();
    let joined = talk.alone();
    for (generation, id, error) in [
        (joined.generation + 1, &*joined.member_id, ResponseError::IllegalGeneration),
        (joined.generation, "other", ResponseError::UnknownMemberId),
        (-1, "", ResponseError::UnknownMemberId),
    ] {
        let caller = Caller { member_id: id.into(), instance: None, generation };
        assert_eq!(talk.group.heartbeat(talk.now, &caller), Err(error));
        assert_eq!(talk.group.check_commit(talk.now, &caller), Err(error));
        talk.group.sync(talk.now, 99, &caller, Vec::new());
        assert_eq!(talk.group.take_answers(), [(99, Answer::NotAssigned(error))]);
    }
}

#[test]
fn a_consumer_that_assigns_itself_commits_only_while_nobody_is_in() {
    let mut talk = Dialogue::new();
    let caller = Caller { member_id: "".into(), instance: None, generation: -1 };
    assert_eq!(talk.group.check_commit(talk.now, &caller), Ok(()));
    talk.alone();
    assert_eq!(talk.group.check_commit(talk.now, &caller), Err(ResponseError::UnknownMemberId));
}

#[test]
fn an_answer_that_got_lost_is_given_again() {
    let mut talk = Dialogue::new();
    let (first, second) = talk.pair_joined();
    for (member, members) in [(&first, 2), (&second, 0)] {
        let ticket = talk.join(&member.member_id, None);
        let again = talk.joined(ticket);
        assert_eq!((again.generation, again.members.len()), (2, members));
    }
    let ticket = talk.sync(&first, &[(&second.member_id, "all")]);
    assert_eq!(talk.assigned(ticket), "");
    for _ in 0..2 {
        let ticket = talk.sync(&second, &[]);
        assert_eq!(talk.assigned(ticket), "all");
    }
    let ticket = talk.join(&second.member_id, None);
    assert_eq!(talk.joined(ticket).generation, 2, "a follower that asks the same stays");
    let ticket = talk.join(&first.member_id, None);
    assert!(talk.waits(ticket), "a leader that joins again has news");
}

#[test]
fn another_subscription_makes_all_join_again() {
    let mut talk = Dialogue::new();
    let (_, second) = talk.pair();
    talk.protocols = vec![("range", "other topics")];
    let ticket = talk.join(&second.member_id, None);
    assert!(talk.waits(ticket));
}

#[test]
fn the_kind_of_assignment_is_voted_for_among_those_all_can() {
    let mut talk = Dialogue::new();
    talk.protocols = vec![("sticky", "a"), ("range", "b")];
    let first = talk.alone();
    assert_eq!(&*first.protocol, "sticky");
    talk.protocols = vec![("range", "c")];
    let second = talk.join("", None);
    talk.protocols = vec![("sticky", "a"), ("range", "b")];
    let again = talk.join(&first.member_id, None);
    let first = talk.joined(again);
    assert_eq!((&*first.protocol, &*talk.joined(second).protocol), ("range", "range"));
    let metadata: Vec<_> = first.members.iter().map(|(_, _, metadata)| metadata.clone()).collect();
    assert_eq!(metadata, [Bytes::from("b"), Bytes::from("c")]);
    talk.protocols = vec![("roundrobin", "d")];
    let ticket = talk.join("", None);
    assert_eq!(talk.not_joined(ticket).0, ResponseError::InconsistentGroupProtocol);
    talk.protocols = vec![];
    let ticket = talk.join("", None);
    assert_eq!(talk.not_joined(ticket).0, ResponseError::InconsistentGroupProtocol);
}

#[test]
fn a_full_group_takes_nobody() {
    let mut talk = Dialogue::new();
    talk.group.limits.max_members = 1;
    talk.alone();
    let ticket = talk.join("", None);
    assert_eq!(talk.not_joined(ticket).0, ResponseError::GroupMaxSizeReached);
}

#[test]
fn the_first_generation_waits_for_company_where_so_configured() {
    let mut talk = Dialogue::new();
    talk.group.limits.initial_delay = Duration::from_secs(3);
    let first = talk.join("", None);
    talk.pass(Duration::from_secs(2));
    let second = talk.join("", None);
    assert!(talk.waits(first));
    talk.pass(Duration::from_secs(2));
    assert!(talk.waits(first), "the second one began the wait anew");
    talk.pass(Duration::from_secs(1));
    assert_eq!((talk.joined(first).generation, talk.joined(second).generation), (1, 1));
}

#[test]
fn a_member_with_a_lasting_name_goes_on_after_a_restart() {
    let mut talk = Dialogue::new();
    let ticket = talk.join("", Some("one"));
    let one = talk.joined(ticket);
    let ticket = talk.join("", Some("two"));
    let again = talk.join(&one.member_id, Some("one"));
    let (one, two) = (talk.joined(again), talk.joined(ticket));
    assert_eq!(one.members[0].1.as_deref().max(one.members[1].1.as_deref()), Some("two"));
    let leads = talk.sync(&one, &[(&one.member_id, "left"), (&two.member_id, "right")]);
    let follows = talk.sync(&two, &[]);
    assert_eq!((talk.assigned(leads), talk.assigned(follows)), ("left".into(), "right".into()));

    let ticket = talk.join("", Some("two"));
    let restarted = talk.joined(ticket);
    assert_eq!(restarted.generation, two.generation, "no rebalance");
    assert_ne!(restarted.member_id, two.member_id);
    let ticket = talk.sync_as(&restarted, Some("two"), &[]);
    assert_eq!(talk.assigned(ticket), "right");
    assert_eq!(talk.heartbeat_as(&two, Some("two")), Err(ResponseError::FencedInstanceId));
    assert_eq!(talk.heartbeat_as(&two, Some("three")), Err(ResponseError::UnknownMemberId));
    let ticket = talk.join(&two.member_id, Some("two"));
    assert_eq!(talk.not_joined(ticket).0, ResponseError::FencedInstanceId);

    let ticket = talk.join("", Some("one"));
    let leader = talk.joined(ticket);
    assert_eq!((&leader.leader, leader.members.len()), (&one.member_id, 0), "it must not assign anew");
    let ticket = talk.sync_as(&leader, Some("one"), &[(&leader.member_id, "everything")]);
    assert_eq!(talk.assigned(ticket), "left");
}

#[test]
fn what_waits_under_the_old_id_of_a_lasting_name_is_fenced() {
    let mut talk = Dialogue::new();
    talk.alone();
    let old = talk.join("", Some("one"));
    assert!(talk.waits(old));
    let new = talk.join("", Some("one"));
    assert_eq!(talk.not_joined(old).0, ResponseError::FencedInstanceId);
    assert!(talk.waits(new));
}

#[test]
fn an_absent_member_with_a_lasting_name_stays_until_its_session_ends() {
    let mut talk = Dialogue::new();
    let ticket = talk.join("", Some("one"));
    let one = talk.joined(ticket);
    let ticket = talk.sync(&one, &[]);
    talk.assigned(ticket);
    let other = talk.join("", None);
    talk.pass(SESSION - Duration::from_millis(1));
    assert!(talk.waits(other));
    talk.pass(Duration::from_millis(1));
    assert_eq!(talk.joined(other).members.len(), 1);
    assert_eq!(talk.leave("", Some("one")), Err(ResponseError::UnknownMemberId));
}

#[test]
fn a_lasting_name_can_be_made_to_leave() {
    let mut talk = Dialogue::new();
    let ticket = talk.join("", Some("one"));
    talk.joined(ticket);
    assert_eq!(talk.leave("someone", Some("one")), Err(ResponseError::FencedInstanceId));
    assert_eq!(talk.leave("", Some("one")), Ok(()));
    assert!(talk.group.is_empty());
}

fn subscription(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// A group, a clock, and what was answered.
struct Dialogue {
    group: Group,
    now: Instant,
    tickets: Ticket,
    answers: BTreeMap<Ticket, Answer>,
    id_required: bool,
    protocols: Vec<(&'static str, &'static str)>,
}

impl Dialogue {
    fn new() -> Self {
        Self {
            group: Group::new(Limits { max_members: 100, initial_delay: Duration::ZERO }),
            now: Instant::now(),
            tickets: 0,
            answers: BTreeMap::new(),
            id_required: false,
            protocols: vec![("range", "range")],
        }
    }

    fn join(&mut self, member_id: &str, instance: Option<&str>) -> Ticket {
        self.tickets += 1;
        let subscriptions = self.protocols.iter().map(|(protocol, metadata)| Subscription {
            protocol: (*protocol).into(),
            metadata: subscription(metadata),
        });
        let join = Join {
            ticket: self.tickets,
            member_id: member_id.into(),
            instance: instance.map(Into::into),
            fresh_id: format!("member-{:03}", self.tickets).into(),
            id_required: self.id_required,
            client_id: "client".into(),
            client_host: "host".into(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer".into(),
            subscriptions: subscriptions.collect(),
        };
        self.group.join(self.now, join);
        self.collect();
        self.tickets
    }

    fn sync(&mut self, joined: &Joined, assignments: &[(&str, &'static str)]) -> Ticket {
        self.sync_as(joined, None, assignments)
    }

    fn sync_as(&mut self, joined: &Joined, instance: Option<&str>, assignments: &[(&str, &'static str)]) -> Ticket {
        self.tickets += 1;
        let assignments = assignments.iter().map(|(id, text)| ((*id).into(), subscription(text)));
        self.group.sync(self.now, self.tickets, &caller(joined, instance), assignments.collect());
        self.collect();
        self.tickets
    }

    fn heartbeat(&mut self, joined: &Joined) -> Result<(), ResponseError> {
        self.heartbeat_as(joined, None)
    }

    fn heartbeat_as(&mut self, joined: &Joined, instance: Option<&str>) -> Result<(), ResponseError> {
        self.group.heartbeat(self.now, &caller(joined, instance))
    }

    fn commit(&mut self, joined: &Joined) -> Result<(), ResponseError> {
        self.group.check_commit(self.now, &caller(joined, None))
    }

    fn leave(&mut self, id: &str, instance: Option<&str>) -> Result<(), ResponseError> {
        let left = self.group.leave(self.now, &id.into(), instance.map(Into::into).as_ref());
        self.collect();
        left
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.tick(self.now);
        self.collect();
    }

    /// One member with its assignment.
    fn alone(&mut self) -> Joined {
        let ticket = self.join("", None);
        let joined = self.joined(ticket);
        let ticket = self.sync(&joined, &[]);
        self.assigned(ticket);
        joined
    }

    /// Two members, the first leads; no assignments yet.
    fn pair_joined(&mut self) -> (Joined, Joined) {
        let first = self.alone();
        let second = self.join("", None);
        let again = self.join(&first.member_id, None);
        (self.joined(again), self.joined(second))
    }

    fn pair(&mut self) -> (Joined, Joined) {
        let (first, second) = self.pair_joined();
        for member in [&first, &second] {
            let ticket = self.sync(member, &[]);
            self.assigned(ticket);
        }
        (first, second)
    }

    fn waits(&self, ticket: Ticket) -> bool {
        !self.answers.contains_key(&ticket)
    }

    fn joined(&mut self, ticket: Ticket) -> Joined {
        match self.answers.remove(&ticket) {
            Some(Answer::Joined(joined)) => joined,
            other => panic!("{ticket}: {other:?}"),
        }
    }

    fn not_joined(&mut self, ticket: Ticket) -> (ResponseError, Arc<str>) {
        match self.answers.remove(&ticket) {
            Some(Answer::NotJoined(error, id)) => (error, id),
            other => panic!("{ticket}: {other:?}"),
        }
    }

    fn assigned(&mut self, ticket: Ticket) -> Bytes {
        match self.answers.remove(&ticket) {
            Some(Answer::Assigned(assignment)) => assignment,
            other => panic!("{ticket}: {other:?}"),
        }
    }

    fn not_assigned(&mut self, ticket: Ticket) -> ResponseError {
        match self.answers.remove(&ticket) {
            Some(Answer::NotAssigned(error)) => error,
            other => panic!("{ticket}: {other:?}"),
        }
    }

    fn collect(&mut self) {
        for (ticket, answer) in self.group.take_answers() {
            let earlier = self.answers.insert(ticket, answer);
            assert_eq!(earlier, None, "answered twice: {ticket}");
        }
    }
}

fn caller(joined: &Joined, instance: Option<&str>) -> Caller {
    Caller { member_id: joined.member_id.clone(), instance: instance.map(Into::into), generation: joined.generation }
}
