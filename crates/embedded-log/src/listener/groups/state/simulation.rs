//! A group and its members under thousands of seeds: members join, die, sleep, leave, restart, ask twice. Checked: generations
//! grow, one leader each, everybody gets what the leader assigned, every question is answered, in the end nobody is left.

use std::collections::BTreeMap;

use super::*;

const SEEDS: u64 = 3_000;
const STEPS: usize = 300;
const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(30);

#[test]
fn thousands_of_seeds() {
    let mut most = 0;
    for seed in 0..SEEDS {
        let result = std::panic::catch_unwind(|| Simulation::new(seed).run());
        match result {
            Ok(generations) => most = most.max(generations),
            Err(_) => panic!("seed {seed} fails"),
        }
    }
    assert!(most > 20, "at most {most} generations: too little happens");
}

struct Simulation {
    random: Random,
    now: Instant,
    group: Group,
    clients: Vec<Client>,
    tickets: Ticket,
    /// Questions without an answer, who asked, and as whom.
    open: BTreeMap<Ticket, (usize, Arc<str>)>,
    /// Leader and assignments by generation.
    leaders: BTreeMap<i32, Arc<str>>,
    assigned: BTreeMap<(i32, Arc<str>), Bytes>,
    last_generation: i32,
}

#[derive(Debug, Clone, Default)]
struct Client {
    instance: Option<Arc<str>>,
    member_id: Arc<str>,
    generation: i32,
    state: State,
    members: Vec<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Out,
    Joining(Ticket),
    Joined,
    Syncing(Ticket),
    Assigned,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let delay = Duration::from_secs(random.below(3));
        let clients = (0..2 + random.below(6)).map(|number| Client {
            instance: (random.below(3) == 0).then(|| format!("lasting-{number}").into()),
            ..Client::default()
        });
        let clients = clients.collect();
        Self {
            random,
            now: Instant::now(),
            group: Group::new(Limits { max_members: 6, initial_delay: delay }),
            clients,
            tickets: 0,
            open: BTreeMap::new(),
            leaders: BTreeMap::new(),
            assigned: BTreeMap::new(),
            last_generation: 0,
        }
    }

    fn run(mut self) -> i32 {
        for _ in 0..STEPS {
            let client = self.random.below(self.clients.len() as u64) as usize;
            match self.random.below(24) {
                0 => {
                    self.clients[client] =
                        Client { instance: self.clients[client].instance.clone(), ..Client::default() }
                }
                1 => self.leave(client),
                2 => self.pass(SESSION.mul_f32(0.7)),
                3 => self.pass(REBALANCE.mul_f32(0.4)),
                4 => self.join(client), // whatever it waits for
                5..8 => self.pass(Duration::from_millis(500)),
                _ => self.act(client),
            }
        }
        // Everybody falls silent: nothing may stay.
        for _ in 0..1_000 {
            let Some(deadline) = self.group.next_deadline() else { break };
            self.now = self.now.max(deadline);
            self.group.tick(self.now);
            self.collect();
        }
        assert!(self.open.is_empty(), "wait for ever: {:?}", self.open);
        assert!(self.group.is_empty(), "left: {:?}", self.group);
        self.last_generation
    }

    /// The next thing a well-behaved client does.
    fn act(&mut self, client: usize) {
        match self.clients[client].state {
            State::Out => self.join(client),
            State::Joined => self.sync(client),
            State::Joining(_) | State::Syncing(_) => {}
            State::Assigned => {
                let caller = self.caller(client);
                if let Err(error) = self.group.heartbeat(self.now, &caller) {
                    self.refused(client, error);
                    self.join(client);
                }
            }
        }
        self.collect();
    }

    fn join(&mut self, client: usize) {
        self.tickets += 1;
        let who = &self.clients[client];
        let metadata = if self.random.below(8) == 0 { Bytes::from_static(b"other") } else { Bytes::new() };
        let join = Join {
            ticket: self.tickets,
            member_id: who.member_id.clone(),
            instance: who.instance.clone(),
            fresh_id: format!("member-{}", self.tickets).into(),
            id_required: client.is_multiple_of(2),
            client_id: "".into(),
            client_host: "".into(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer".into(),
            subscriptions: vec![Subscription { protocol: "range".into(), metadata }],
        };
        self.clients[client].state = State::Joining(self.tickets);
        self.open.insert(self.tickets, (client, self.clients[client].member_id.clone()));
        self.group.join(self.now, join);
        self.collect();
    }

    fn sync(&mut self, client: usize) {
        self.tickets += 1;
        let (who, caller) = (self.clients[client].clone(), self.caller(client));
        let assign = |id: &Arc<str>| (id.clone(), Bytes::from(format!("{id} in {}", who.generation)));
        let assignments: Vec<_> = who.members.iter().map(assign).collect();
        if !assignments.is_empty() {
            // Only the first word of a generation's leader counts.
            for (id, assignment) in &assignments {
                self.assigned.entry((who.generation, id.clone())).or_insert_with(|| assignment.clone());
            }
        }
        self.clients[client].state = State::Syncing(self.tickets);
        self.open.insert(self.tickets, (client, caller.member_id.clone()));
        self.group.sync(self.now, self.tickets, &caller, assignments);
        self.collect();
    }

    fn leave(&mut self, client: usize) {
        let who = self.clients[client].clone();
        let _ = self.group.leave(self.now, &who.member_id, None);
        self.clients[client] = Client { instance: who.instance, ..Client::default() };
        self.collect();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.group.next_deadline().filter(|deadline| *deadline <= until) {
            let before = self.now;
            self.now = self.now.max(deadline);
            self.group.tick(self.now);
            self.collect();
            let progress = self.now > before || self.group.next_deadline() != Some(deadline);
            assert!(progress, "a deadline that is over stays: {:?}", self.group);
        }
        self.now = until;
    }

    fn collect(&mut self) {
        for (ticket, answer) in self.group.take_answers() {
            let (client, asker) = self.open.remove(&ticket).expect("answers a question once");
            self.check(&answer, client, &asker);
            let waits = matches!(self.clients[client].state, State::Joining(it) | State::Syncing(it) if it == ticket);
            if waits {
                self.told(client, answer);
            }
        }
    }

    fn check(&mut self, answer: &Answer, client: usize, asker: &Arc<str>) {
        match answer {
            Answer::Joined(joined) => {
                assert!(joined.generation >= self.last_generation, "generations grow");
                self.last_generation = joined.generation;
                if !joined.members.is_empty() {
                    assert_eq!(joined.leader, joined.member_id);
                    assert!(joined.members.iter().any(|(id, ..)| *id == joined.member_id));
                }
                // A restarted lasting leader is told its old id; all others agree.
                if self.clients[client].instance.is_none() {
                    let leader = self.leaders.entry(joined.generation).or_insert_with(|| joined.leader.clone());
                    let lasting = self.clients.iter().any(|client| client.instance.is_some());
                    assert!(*leader == joined.leader || lasting, "one leader");
                }
            }
            Answer::Assigned(assignment) if !assignment.is_empty() => {
                let text = std::str::from_utf8(assignment).unwrap();
                let (id, generation) = text.split_once(" in ").unwrap();
                let known = &self.assigned[&(generation.parse().unwrap(), id.into())];
                assert_eq!(known, assignment);
                // One with a lasting name goes on with what its former id was assigned.
                assert!(self.clients[client].instance.is_some() || **asker == *id, "another's: {text}");
            }
            _ => {}
        }
    }

    fn told(&mut self, client: usize, answer: Answer) {
        let who = &mut self.clients[client];
        match answer {
            Answer::Joined(joined) => {
                who.members = joined.members.into_iter().map(|(id, ..)| id).collect();
                (who.member_id, who.generation, who.state) = (joined.member_id, joined.generation, State::Joined);
            }
            Answer::NotJoined(ResponseError::MemberIdRequired, id) => (who.member_id, who.state) = (id, State::Out),
            Answer::Assigned(_) => who.state = State::Assigned,
            Answer::NotJoined(error, _) | Answer::NotAssigned(error) => self.refused(client, error),
        }
    }

    fn refused(&mut self, client: usize, error: ResponseError) {
        let who = &mut self.clients[client];
        who.state = State::Out;
        match error {
            ResponseError::RebalanceInProgress => {}
            ResponseError::UnknownMemberId
            | ResponseError::IllegalGeneration
            | ResponseError::FencedInstanceId
            | ResponseError::GroupMaxSizeReached => who.member_id = "".into(),
            other => panic!("{other:?}"),
        }
    }

    fn caller(&self, client: usize) -> Caller {
        let who = &self.clients[client];
        Caller { member_id: who.member_id.clone(), instance: who.instance.clone(), generation: who.generation }
    }
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
