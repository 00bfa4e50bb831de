//! Topics as clients call them: by name or by id, and which of them are there.
//!
//! A topic's *name* is what the broker here calls it; its *id* is `<workspace>-<name>`. Clients use either, everywhere, and are
//! told both. The workspace is the one the client's request is for. Source: Quix Streaming APIs.

use std::sync::Arc;

use access::Right;
use dashmap::{DashMap, DashSet};
use kafka_bridge::broker::{Broker, BrokerError, CreateTopicError, NotWritten, TopicInfo};
use kafka_bridge::names::{check_topic_name, is_internal};
use kafka_bridge::topic_settings::NewTopic;

use crate::errors::Failure;
use crate::visitor::Visitor;

/// A topic that is there.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// Short name.
    pub name: String,
    /// `<workspace>-<name>`.
    pub id: String,
}

impl Topic {
    /// Why reading it ends where its bytes are damaged; the server's log says where.
    pub(crate) fn unreadable(&self) -> String {
        format!("Records of topic '{}' cannot be read: what is stored is damaged.", self.name)
    }
}

#[derive(Debug)]
pub(crate) struct TopicPolicy {
    pub(crate) workspace: String,
    pub(crate) create: bool,
    pub(crate) max_topics: usize,
}

/// Remembers topics that were found, by both of their names. Holds no entry for a topic that is not there, so that
/// clients cannot fill it.
///
/// A topic is judged by its name: whoever may not use a name does not learn whether it is there, nor is it meant by what
/// they write. Only then it is looked for.
#[derive(Debug)]
pub(crate) struct TopicDirectory {
    broker: Arc<dyn Broker>,
    policy: TopicPolicy,
    /// As the configured workspace calls them.
    known: Known,
    /// As others do, at most [`MAX_WORKSPACES`].
    elsewhere: DashMap<String, Known>,
    /// Ids of topics that are no topic's name: the id of one may be the name of another, and exact names come first.
    only_ids: DashSet<String>,
}

/// Topics by name.
type Known = DashMap<String, Arc<Topic>>;

impl TopicDirectory {
    pub(crate) fn new(broker: Arc<dyn Broker>, policy: TopicPolicy) -> Self {
        Self { broker, policy, known: Known::new(), elsewhere: DashMap::new(), only_ids: DashSet::new() }
    }

    /// A topic that was found before, by name or id, and that the visitor may use so. No waiting, no request.
    pub(crate) fn known(&self, visitor: &Visitor, right: Right, text: &str) -> Option<Arc<Topic>> {
        if visitor.may(right, text) {
            let exact = self.named(visitor, text);
            if exact.is_some() || !self.only_ids.contains(text) {
                return exact;
            }
        }
        let name = self.without_workspace(visitor, text).filter(|name| visitor.may(right, name))?;
        self.named(visitor, name)
    }

    fn named(&self, visitor: &Visitor, name: &str) -> Option<Arc<Topic>> {
        match self.foreign_workspace(visitor) {
            None => self.known.get(name).map(|topic| topic.clone()),
            Some(workspace) => self.elsewhere.get(workspace)?.get(name).map(|topic| topic.clone()),
        }
    }

    /// Finds a topic at the broker: of exactly this name, else of the name behind the workspace's prefix. One that is not
    /// there is made, where that is allowed. It is not known yet: others do not use it before it is
    /// [remembered](Self::remember).
    pub(crate) async fn open(&self, visitor: &Visitor, right: Right, text: &str) -> Result<Arc<Topic>, Failure> {
        if let Some(topic) = self.look_up(visitor, right, text).await? {
            return Ok(topic);
        }
        if !self.policy.create || !visitor.may_create_topics() {
            return Err(Failure::UnknownTopic(text.to_owned()));
        }
        let name = self.without_workspace(visitor, text).filter(|name| visitor.may(right, name)).unwrap_or(text);
        self.check_room(name).await?;
        match self.broker.create_topic(name, None).await {
            Ok(_) => tracing::info!(topic = name, "topic made by its first use"),
            // Somebody else was faster.
            Err(CreateTopicError::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Arc::new(self.names(visitor, name)))
    }

    /// As [`open`](Self::open), but never makes a topic.
    pub(crate) async fn find(
        &self,
        visitor: &Visitor,
        right: Right,
        text: &str,
    ) -> Result<Option<Arc<Topic>>, Failure> {
        self.look_up(visitor, right, text).await
    }

    async fn look_up(&self, visitor: &Visitor, right: Right, text: &str) -> Result<Option<Arc<Topic>>, Failure> {
        check_topic_name(text).map_err(|error| Failure::invalid(text, &error))?;
        let short = self.without_workspace(visitor, text);
        let names = [Some(text), short].map(|name| name.filter(|name| visitor.may(right, name)));
        if names == [None, None] {
            let verb = if right == Right::Read { "read" } else { "write" };
            return Err(Failure::Forbidden { scope: format!("{verb}:{}", short.unwrap_or(text)) });
        }
        let exact = names[0].is_some();
        for name in names.into_iter().flatten() {
            if is_internal(name) {
                return Err(Failure::UnknownTopic(text.to_owned()));
            }
            if self.broker.topic(name).await?.is_some() {
                if exact && name.len() < text.len() {
                    self.only_ids.insert(text.to_owned());
                }
                return Ok(Some(Arc::new(self.names(visitor, name))));
            }
        }
        Ok(None)
    }

    /// The names of all topics there are.
    pub(crate) async fn all(&self) -> Result<Vec<String>, BrokerError> {
        Ok(self.broker.topics().await?.into_iter().map(|topic| topic.name).collect())
    }

    /// Makes a topic, told by name or id.
    pub(crate) async fn create(
        &self,
        visitor: &Visitor,
        text: &str,
        partitions: Option<i32>,
    ) -> Result<TopicInfo, Failure> {
        let name = self.without_workspace(visitor, text).unwrap_or(text);
        self.create_named(visitor, name, NewTopic { partitions, ..NewTopic::default() }).await
    }

    /// The same for one that is told by its name.
    pub(crate) async fn create_named(
        &self,
        visitor: &Visitor,
        name: &str,
        wanted: NewTopic,
    ) -> Result<TopicInfo, Failure> {
        check_topic_name(name).map_err(|error| Failure::invalid(name, &error))?;
        if !visitor.may_see(name) {
            return Err(Failure::Forbidden { scope: format!("write:{name}") });
        }
        if !visitor.may_create_topics() {
            return Err(Failure::Forbidden { scope: "create_topics".to_owned() });
        }
        self.check_room(name).await?;
        Ok(self.broker.make_topic(name, wanted).await?)
    }

    /// Whether there may be this topic beside the others; one that is there may.
    async fn check_room(&self, name: &str) -> Result<(), Failure> {
        let (topics, limit) = (self.broker.topics().await?, self.policy.max_topics);
        if topics.len() >= limit && !topics.iter().any(|topic| topic.name == name) {
            return Err(Failure::TooManyTopics { name: name.to_owned(), limit });
        }
        Ok(())
    }

    /// Forgets a topic that turned out to be gone.
    pub(crate) fn forget(&self, topic: &Topic) {
        self.forget_named(&topic.name);
    }

    fn forget_named(&self, name: &str) {
        self.known.remove(name);
        self.forget_elsewhere();
    }

    fn forget_elsewhere(&self) {
        self.elsewhere.clear();
        self.only_ids.clear();
    }

    /// Learns from a refused write.
    pub(crate) fn note(&self, error: &NotWritten) {
        if let NotWritten::UnknownTopic(name) = error {
            self.forget_named(name);
        }
    }

    /// Both names of a topic, as the visitor's workspace has them.
    pub(crate) fn names(&self, visitor: &Visitor, name: &str) -> Topic {
        Topic { id: self.id(self.workspace(visitor), name), name: name.to_owned() }
    }

    fn id(&self, workspace: &str, name: &str) -> String {
        format!("{workspace}-{name}")
    }

    /// Makes a topic [known](Self::known) that was found or made.
    pub(crate) fn remember(&self, visitor: &Visitor, topic: &Arc<Topic>) {
        self.only_ids.remove(&topic.name);
        let entry = (topic.name.clone(), topic.clone());
        match self.foreign_workspace(visitor) {
            None => self.known.insert(entry.0, entry.1),
            Some(workspace) => {
                // Anybody can name any: the few that are in use are found again soon.
                if self.elsewhere.len() >= MAX_WORKSPACES && !self.elsewhere.contains_key(workspace) {
                    self.forget_elsewhere();
                }
                self.elsewhere.entry(workspace.to_owned()).or_default().insert(entry.0, entry.1)
            }
        };
    }

    fn workspace<'v>(&'v self, visitor: &'v Visitor) -> &'v str {
        visitor.workspace().unwrap_or(&self.policy.workspace)
    }

    /// The visitor's workspace, if it is not the configured one.
    fn foreign_workspace<'v>(&self, visitor: &'v Visitor) -> Option<&'v str> {
        visitor.workspace().filter(|workspace| *workspace != self.policy.workspace)
    }

    fn without_workspace<'t>(&self, visitor: &Visitor, text: &'t str) -> Option<&'t str> {
        behind_workspace(text, self.workspace(visitor))
    }
}

/// The name in a topic's id, `<workspace>-<name>`, whose workspace may be in any letters: where Quix has it in names in Kafka, it is
/// in small ones.
pub fn behind_workspace<'t>(text: &'t str, workspace: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(workspace.len())?;
    rest.strip_prefix('-').filter(|name| start.eq_ignore_ascii_case(workspace) && !name.is_empty())
}

/// Workspaces beside the configured one whose topics are remembered.
const MAX_WORKSPACES: usize = 64;

#[cfg(test)]
mod tests {
    use kafka_bridge::memory::MemoryBroker;
    use proptest::strategy::Strategy as _;

    use super::*;
    use crate::tools_for_tests::visitor;

    const ANYBODY: &Visitor = &Visitor::anybody();

    fn directory(create: bool) -> TopicDirectory {
        let policy = TopicPolicy { workspace: "ws".into(), create, max_topics: 3 };
        TopicDirectory::new(Arc::new(MemoryBroker::new()), policy)
    }

    /// Finds a topic and remembers it.
    async fn find(
        topics: &TopicDirectory,
        visitor: &Visitor,
        right: Right,
        text: &str,
    ) -> Result<Option<Arc<Topic>>, Failure> {
        Ok(topics.find(visitor, right, text).await?.inspect(|topic| topics.remember(visitor, topic)))
    }

    #[tokio::test]
    async fn a_topic_is_found_by_name_and_by_id() {
        let topics = directory(false);
        topics.create(ANYBODY, "ws-f1", None).await.unwrap();
        for text in ["f1", "ws-f1"] {
            let topic = topics.open(ANYBODY, Right::Read, text).await.unwrap();
            assert_eq!((topic.name.as_str(), topic.id.as_str()), ("f1", "ws-f1"));
            assert!(topics.known(ANYBODY, Right::Read, text).is_none());
        }
        for text in ["f1", "ws-f1"] {
            find(&topics, ANYBODY, Right::Read, text).await.unwrap();
        }
        assert_eq!(topics.known(ANYBODY, Right::Read, "ws-f1"), topics.known(ANYBODY, Right::Read, "f1"));
        assert_eq!(topics.open(ANYBODY, Right::Read, "f2").await, Err(Failure::UnknownTopic("f2".into())));
        assert!(topics.known(ANYBODY, Right::Read, "f2").is_none());
    }

    #[tokio::test]
    async fn the_workspace_in_an_id_may_be_in_any_letters() {
        let topics = directory(true);
        for text in ["WS-f1", "ws-f1", "Ws-f1"] {
            assert_eq!(topics.open(ANYBODY, Right::Write, text).await.unwrap().id, "ws-f1");
        }
        for text in ["wsx-f1", "ab-f1"] {
            assert_eq!(topics.open(ANYBODY, Right::Write, text).await.unwrap().name, text);
        }
    }

    #[tokio::test]
    async fn an_exact_name_comes_before_an_id() {
        let topics = directory(false);
        topics.create(ANYBODY, "f1", None).await.unwrap();
        topics.broker.create_topic("ws-f1", None).await.unwrap();
        for name in ["ws-f1", "f1"] {
            assert_eq!(find(&topics, ANYBODY, Right::Read, name).await.unwrap().unwrap().name, name);
        }
        assert_eq!(topics.known(ANYBODY, Right::Read, "ws-f1").unwrap().name, "ws-f1");
    }

    #[tokio::test]
    async fn first_use_makes_a_topic_only_where_allowed_and_within_bounds() {
        let topics = directory(true);
        assert_eq!(topics.open(ANYBODY, Right::Read, "ws-new").await.unwrap().name, "new");
        topics.open(ANYBODY, Right::Read, "b").await.unwrap();
        topics.open(ANYBODY, Right::Read, "c").await.unwrap();
        assert_eq!(
            topics.open(ANYBODY, Right::Read, "d").await,
            Err(Failure::TooManyTopics { name: "d".into(), limit: 3 })
        );
        let asked = topics.create(ANYBODY, "ws-d", None).await;
        assert_eq!(asked, Err(Failure::TooManyTopics { name: "d".into(), limit: 3 }), "nor by asking");
        let again = topics.create(ANYBODY, "b", None).await;
        assert!(matches!(again, Err(Failure::Create(CreateTopicError::Exists(_)))), "{again:?}");
    }

    #[tokio::test]
    async fn names_that_are_none_and_internal_ones_are_refused() {
        let topics = directory(true);
        for text in ["", "a b", "..", "ä", &"x".repeat(250)] {
            assert!(
                matches!(topics.open(ANYBODY, Right::Read, text).await, Err(Failure::InvalidName { .. })),
                "{text}"
            );
        }
        assert!(topics.open(ANYBODY, Right::Read, "__consumer_offsets").await.is_err());
        assert!(topics.open(ANYBODY, Right::Read, "ws-__consumer_offsets").await.is_err());
    }

    #[tokio::test]
    async fn each_workspace_has_ids_of_its_own() {
        let topics = directory(false);
        topics.create(ANYBODY, "f1", None).await.unwrap();
        let other = Visitor::anybody().in_workspace("other");
        for text in ["f1", "other-f1"] {
            let topic = find(&topics, &other, Right::Read, text).await.unwrap().unwrap();
            assert_eq!((topic.name.as_str(), topic.id.as_str()), ("f1", "other-f1"));
            assert_eq!(topics.known(&other, Right::Read, text), Some(topic));
        }
        assert!(topics.open(&other, Right::Read, "ws-f1").await.is_err());
        assert!(topics.open(ANYBODY, Right::Read, "other-f1").await.is_err());
        assert_eq!(find(&topics, ANYBODY, Right::Read, "f1").await.unwrap().unwrap().id, "ws-f1");
        let same = Visitor::anybody().in_workspace("ws");
        find(&topics, &same, Right::Read, "ws-f1").await.unwrap();
        assert_eq!(topics.known(&same, Right::Read, "ws-f1"), topics.known(ANYBODY, Right::Read, "f1"));

        for number in 0..3 * MAX_WORKSPACES {
            let visitor = Visitor::anybody().in_workspace(&format!("w{number}"));
            find(&topics, &visitor, Right::Read, "f1").await.unwrap();
            assert!(topics.elsewhere.len() <= MAX_WORKSPACES);
        }
        topics.forget(&topics.names(ANYBODY, "f1"));
        assert!(topics.known(ANYBODY, Right::Read, "ws-f1").is_none());
        assert!(topics.elsewhere.is_empty());
    }

    #[tokio::test]
    async fn what_a_token_does_not_reach_is_forbidden_whether_or_not_it_is_there() {
        let topics = directory(true);
        for name in ["f1", "secret"] {
            topics.create(ANYBODY, name, None).await.unwrap();
            find(&topics, ANYBODY, Right::Read, name).await.unwrap();
        }
        let reader = visitor("read:f1* write:w");
        for text in ["f1", "ws-f1"] {
            assert_eq!(find(&topics, &reader, Right::Read, text).await.unwrap().unwrap().name, "f1");
            assert!(topics.known(&reader, Right::Read, text).is_some());
            assert!(topics.known(&reader, Right::Write, text).is_none());
        }
        for (text, right, scope) in [
            ("secret", Right::Read, "read:secret"),
            ("ws-secret", Right::Read, "read:secret"),
            ("nowhere", Right::Read, "read:nowhere"),
            ("w", Right::Read, "read:w"),
            ("f1", Right::Write, "write:f1"),
        ] {
            let forbidden = Failure::Forbidden { scope: scope.to_owned() };
            assert_eq!(topics.known(&reader, right, text), None, "{text}");
            assert_eq!(topics.open(&reader, right, text).await, Err(forbidden), "{text}");
        }
        let missing = Failure::UnknownTopic("f1-new".into());
        assert_eq!(topics.open(&reader, Right::Read, "f1-new").await, Err(missing), "it may not make topics");
        assert_eq!(
            topics.open(&visitor("read:f1-new create_topics"), Right::Read, "f1-new").await.unwrap().name,
            "f1-new"
        );
    }

    #[tokio::test]
    async fn a_name_that_a_token_does_not_reach_is_not_what_its_bearer_means() {
        let topics = directory(false);
        topics.create(ANYBODY, "f1", None).await.unwrap();
        topics.broker.create_topic("ws-f1", None).await.unwrap();
        find(&topics, ANYBODY, Right::Read, "ws-f1").await.unwrap();
        assert_eq!(topics.open(&visitor("read:f1"), Right::Read, "ws-f1").await.unwrap().name, "f1");
        assert_eq!(topics.open(&visitor("read:*"), Right::Read, "ws-f1").await.unwrap().name, "ws-f1");
    }

    #[tokio::test]
    async fn topics_are_made_by_those_who_may_within_their_names() {
        let topics = directory(false);
        let rows = [
            ("write:f1*", "f1", Some("create_topics")),
            ("create_topics", "f1", Some("write:f1")),
            ("create_topics write:f1*", "f2", Some("write:f2")),
            ("create_topics write:f1*", "ws-f1", None),
            ("create_topics read:f2", "f2", None),
        ];
        for (scopes, text, forbidden) in rows {
            let made = topics.create(&visitor(scopes), text, None).await;
            let expected = forbidden.map(|scope| Failure::Forbidden { scope: scope.to_owned() });
            assert_eq!(made.err(), expected, "{scopes} {text}");
        }
    }

    proptest::proptest! {
        /// Topics are found, made and known as by the rule alone: the exact name, else the name behind the workspace, each
        /// only for whoever may use it.
        #[test]
        fn a_topic_is_what_the_rule_says_whatever_was_asked_before(
            there in proptest::collection::btree_set(name(), 0..6),
            asked in proptest::collection::vec((name(), 0..SCOPES.len(), 0..3_usize), 1..30),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let topics = directory(false);
                for name in &there {
                    topics.broker.create_topic(name, None).await.unwrap();
                }
                for (text, scopes, workspace) in asked {
                    let workspace = ["ws", "other", "ws-other"][workspace];
                    let visitor = visitor(SCOPES[scopes]).in_workspace(workspace);
                    let short = text.strip_prefix(&format!("{workspace}-")).filter(|name| !name.is_empty());
                    let mut names = [Some(text.as_str()), short].into_iter().flatten();
                    let wanted = names.find(|name| visitor.may_read(name) && there.contains(*name));
                    let name_of = |topic: &Arc<Topic>| topic.name.clone();
                    if let Some(known) = topics.known(&visitor, Right::Read, &text) {
                        assert_eq!(Some(known.name.as_str()), wanted, "known: {text}");
                        assert_eq!(known.id, format!("{workspace}-{}", known.name));
                    }
                    let found = find(&topics, &visitor, Right::Read, &text).await.ok().flatten();
                    assert_eq!(found.as_ref().map(name_of).as_deref(), wanted, "found: {text}");
                    if found.is_some() {
                        assert_eq!(topics.known(&visitor, Right::Read, &text), found, "known afterwards: {text}");
                    }
                }
            });
        }
    }

    const SCOPES: [&str; 5] = ["read:*", "read:f1", "read:ws-* read:f1", "read:ws-f1", "write:*"];

    /// Names that are each other's ids.
    fn name() -> impl proptest::strategy::Strategy<Value = String> {
        proptest::sample::select(vec![
            "f1",
            "f2",
            "ws-f1",
            "ws-f2",
            "other-f1",
            "ws-other-f1",
            "ws-ws-f1",
            "other-ws-f1",
            "other-f1-x",
            "ws",
            "ws-",
        ])
        .prop_map(str::to_owned)
    }
}
