//! Topics: whether those of the configuration are there, how safe those of a cluster are, and what their records say of clocks.

use std::time::Duration;

use kafka_bridge::kafka::{Cluster, ClusterTopic};
use quix_gateway::behind_workspace;

use super::cluster::number;
use super::line::{Line, Subject};
use crate::config::Config;

/// Leaves out those that a server of this configuration does not see.
pub(super) fn keep_ours(config: &Config, cluster: &mut Cluster) {
    let prefix = config.topic_prefix();
    cluster.topics.retain(|topic| topic.name.starts_with(&prefix));
}

/// Those that the configuration names and that are not there.
pub(super) fn configured(config: &Config, there: &[String]) -> Vec<Line> {
    let used = config.webhooks.iter().map(|webhook| &webhook.topic);
    let used = used.chain(config.sources.poll.iter().map(|source| &source.topic));
    let destinations = || config.destinations.webhook.iter();
    let used = used.chain(destinations().map(|to| &to.topic));
    let mut used: Vec<_> = used.chain(destinations().filter_map(|to| to.dead_letter.as_ref())).collect();
    used.sort_unstable();
    used.dedup();
    let prefix = config.topic_prefix();
    let is_there = |text: &str| {
        let name = behind_workspace(text, &config.workspace).unwrap_or(text);
        there.iter().filter_map(|topic| topic.strip_prefix(&prefix)).any(|topic| topic == text || topic == name)
    };
    let count = used.len();
    let missing = used.into_iter().filter(|topic| !is_there(topic));
    let mut lines: Vec<_> = missing.map(|topic| missing_line(topic, config.makes_topics())).collect();
    if count > 0 && lines.is_empty() {
        lines.push(Line::ok(Subject::Topics, "those of webhooks, sources and destinations are there"));
    }
    let sections = config.topics.keys().filter(|pattern| !pattern.ends_with('*') && !is_there(pattern));
    lines.extend(sections.map(|name| {
        let what = format!("the section [topics.{name:?}] stands for no topic there is");
        Line::warn(Subject::Topics, what, "correct its name, if it is not one that comes later")
    }));
    lines
}

fn missing_line(topic: &str, is_made: bool) -> Line {
    if is_made {
        return Line::ok(Subject::Topics, format!("'{topic}' is made by its first use"));
    }
    Line::fail(
        Subject::Topics,
        format!("'{topic}', which the settings use, does not exist"),
        format!("`streamgate topic create {topic}` makes it, or start with --create-topics"),
    )
}

/// How those of a cluster are kept.
pub(super) fn kept(cluster: &Cluster) -> Vec<Line> {
    let partitions: usize = cluster.topics.iter().map(|topic| topic.partitions).sum();
    let mut lines = vec![Line::ok(Subject::Topics, format!("{} with {partitions} partitions", cluster.topics.len()))];
    let several = cluster.brokers.len() > 1;
    for rule in RULES.iter().filter(|rule| several || !rule.only_of_several) {
        let found: Vec<_> = cluster.topics.iter().filter(|topic| (rule.applies)(topic)).collect();
        if !found.is_empty() {
            let line = if rule.is_failure { Line::fail } else { Line::warn };
            lines.push(line(Subject::Topics, format!("{}: {}", rule.what, names(&found)), rule.remedy));
        }
    }
    lines
}

/// What may be wrong with a topic.
struct Rule {
    what: &'static str,
    remedy: &'static str,
    is_failure: bool,
    /// With one broker it is told once, of that.
    only_of_several: bool,
    applies: fn(&ClusterTopic) -> bool,
}

const RULES: [Rule; 5] = [
    Rule {
        what: "partitions without a leader can be neither written nor read",
        remedy: "start the brokers that have them",
        is_failure: true,
        only_of_several: false,
        applies: |topic| topic.without_leader > 0,
    },
    Rule {
        what: "min.insync.replicas is more than there are copies, so no write is acknowledged",
        remedy: "lower it, or add copies",
        is_failure: true,
        only_of_several: false,
        applies: |topic| in_sync(topic).is_some_and(|in_sync| in_sync > topic.replicas),
    },
    Rule {
        what: "unclean.leader.election.enable is true, so acknowledged records may vanish",
        remedy: "set it to false",
        is_failure: true,
        only_of_several: false,
        applies: |topic| setting(topic, "unclean.leader.election.enable") == Some("true"),
    },
    Rule {
        what: "one copy, lost with its machine",
        remedy: "add copies (kafka-reassign-partitions)",
        is_failure: false,
        only_of_several: true,
        applies: |topic| topic.replicas == 1,
    },
    Rule {
        what: "min.insync.replicas is 1, so what is acknowledged may be on one machine only",
        remedy: "set it to 2",
        is_failure: false,
        only_of_several: true,
        applies: |topic| topic.replicas > 1 && in_sync(topic) == Some(1),
    },
];

/// Records of a later time than now: this clock, or that of whoever wrote them, is wrong.
pub(super) fn clock(cluster: &Cluster) -> Line {
    let later: Vec<_> = cluster.topics.iter().filter(|topic| topic.has_later == Some(true)).collect();
    let unknown: Vec<_> = cluster.topics.iter().filter(|topic| topic.has_later.is_none()).collect();
    if later.is_empty() && !unknown.is_empty() {
        return Line::warn(
            Subject::Clock,
            format!(
                "whether records are of a later time than this machine's could not be told for {}",
                names(&unknown)
            ),
            "see the lines above; our user must be allowed to read them",
        );
    }
    if later.is_empty() {
        let seconds = CLOCKS_MAY_DIFFER.as_secs();
        return Line::ok(
            Subject::Clock,
            format!("no record is of more than {seconds} s later than this machine's time"),
        );
    }
    Line::warn(
        Subject::Clock,
        format!(
            "records of more than {} s later than this machine's time: {}",
            CLOCKS_MAY_DIFFER.as_secs(),
            names(&later)
        ),
        "set this clock, or that of the broker or of whoever wrote them: reads by time and the ends of tokens go by them",
    )
}

fn setting<'a>(topic: &'a ClusterTopic, name: &str) -> Option<&'a str> {
    topic.settings.as_ref()?.get(name).map(String::as_str)
}

fn in_sync(topic: &ClusterTopic) -> Option<usize> {
    number(topic.settings.as_ref()?, "min.insync.replicas")
}

/// The first ones, and how many there are.
fn names(topics: &[&ClusterTopic]) -> String {
    let shown: Vec<_> = topics.iter().take(SHOWN).map(|topic| &*topic.name).collect();
    match topics.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        None => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Less than this is the way of clocks.
pub(super) const CLOCKS_MAY_DIFFER: Duration = Duration::from_secs(60);
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use kafka_bridge::kafka::ClusterBroker;

    use super::*;

    #[test]
    fn topics_of_the_settings_are_there_or_made_or_missing() {
        let settings = "
            [[webhooks]]
            path = '/webhooks/a'
            topic = 'WS-a'
            preset = 'none'
            [[webhooks]]
            path = '/webhooks/a2'
            topic = 'a'
            preset = 'none'
            [[sources.poll]]
            name = 'b'
            topic = 'b'
            url = 'https://b.example/'
            every = '4s'
            [[destinations.webhook]]
            name = 'to'
            topic = 'to'
            url = 'https://to.example/'
            dead_letter = 'dead'
            [topics.c]
            form = 'json'
            [topics.'d*']
            form = 'json'
        ";
        let mut config: Config =
            toml::from_str(&format!("workspace = 'ws'\ncreate_topics = false\n{settings}")).unwrap();
        let lines = |config: &Config, there: &[&str]| {
            let there: Vec<_> = there.iter().map(|name| (*name).to_owned()).collect();
            configured(config, &there).iter().map(Line::to_string).collect::<Vec<_>>()
        };
        let found = lines(&config, &["a", "x", "to", "dead"]);
        assert!(found[0].starts_with("fail  topics    'b', which the settings use, does not exist; `streamgate topic"));
        assert!(found[1].starts_with("warn  topics    the section [topics.\"c\"] stands for no topic there is; "));
        assert_eq!(found.len(), 2);
        for missing in ["to", "dead"] {
            let there: Vec<_> = ["a", "b", "c", "to", "dead"].into_iter().filter(|name| *name != missing).collect();
            let found = lines(&config, &there);
            assert!(found.len() == 1 && found[0].starts_with(&format!("fail  topics    '{missing}', ")), "{found:#?}");
        }
        let all = ["ok    topics    those of webhooks, sources and destinations are there"];
        assert_eq!(lines(&config, &["a", "b", "c", "to", "dead"]), all);
        assert_eq!(lines(&config, &["WS-a", "a", "b", "c", "to", "dead"]), all, "by its own name");
        config.workspace_prefix = true;
        assert_eq!(lines(&config, &["ws-a", "ws-b", "ws-c", "ws-to", "ws-dead"]), all);
        assert!(
            lines(&config, &["a", "b", "c", "to", "dead"])[0].starts_with("fail"),
            "they are called otherwise in Kafka"
        );
        config.workspace_prefix = false;
        config.create_topics = Some(true);
        assert_eq!(lines(&config, &["a", "c", "to", "dead"]), ["ok    topics    'b' is made by its first use"]);
        assert!(lines(&Config::default(), &[]).is_empty());
    }

    #[test]
    fn topics_without_the_prefix_are_none_of_ours() {
        let mut config = Config { workspace: "Acme".into(), ..Config::default() };
        for (is_prefixed, kept) in [(false, &["acme-a", "billing"][..]), (true, &["acme-a"])] {
            config.workspace_prefix = is_prefixed;
            let mut cluster = cluster(1, vec![topic("acme-a", 1, "1"), topic("billing", 1, "1")]);
            keep_ours(&config, &mut cluster);
            assert_eq!(cluster.topics.iter().map(|topic| &*topic.name).collect::<Vec<_>>(), kept);
        }
    }

    #[test]
    fn each_weakness_of_a_topic_has_its_line() {
        let safe = topic("safe", 3, "2");
        for (brokers, changed, start) in [
            (3, safe.clone(), None),
            (
                3,
                ClusterTopic { without_leader: 1, ..safe.clone() },
                Some("fail  topics    partitions without a leader"),
            ),
            (3, topic("t", 1, "2"), Some("fail  topics    min.insync.replicas is more than there are copies")),
            (3, unclean(), Some("fail  topics    unclean.leader.election.enable is true, so acknowledged records may")),
            (3, topic("t", 1, "1"), Some("warn  topics    one copy, lost with its machine: t; add copies")),
            (3, topic("t", 2, "1"), Some("warn  topics    min.insync.replicas is 1, so what is acknowledged")),
            (1, topic("t", 1, "1"), None),
            (1, ClusterTopic { settings: None, ..topic("t", 1, "1") }, None),
        ] {
            let lines: Vec<_> = kept(&cluster(brokers, vec![changed])).iter().map(Line::to_string).collect();
            assert_eq!(lines[0], "ok    topics    1 with 2 partitions");
            match start {
                None => assert_eq!(lines.len(), 1, "{lines:#?}"),
                Some(start) => assert!(lines.iter().any(|line| line.starts_with(start)), "{start:?}: {lines:#?}"),
            }
        }
    }

    #[test]
    fn records_of_the_future_are_told_with_their_topics() {
        let later = |name: &str, has_later| ClusterTopic { has_later, ..topic(name, 3, "2") };
        let line = |topics| clock(&cluster(3, topics)).to_string();
        let ok = "ok    clock     no record is of more than 60 s later than this machine's time";
        assert_eq!(line(vec![later("a", Some(false))]), ok);
        let start = "warn  clock     whether records are of a later time than this machine's could not be told for b; ";
        assert!(line(vec![later("a", Some(false)), later("b", None)]).starts_with(start));
        let many = (0..7).map(|number| later(&number.to_string(), Some(true))).collect();
        let start =
            "warn  clock     records of more than 60 s later than this machine's time: 0, 1, 2, 3, 4 and 2 more; set";
        assert!(line(many).starts_with(start));
    }

    fn topic(name: &str, replicas: usize, in_sync: &str) -> ClusterTopic {
        let settings = Some([("min.insync.replicas".to_owned(), in_sync.to_owned())].into());
        ClusterTopic { name: name.to_owned(), partitions: 2, replicas, settings, ..ClusterTopic::default() }
    }

    fn unclean() -> ClusterTopic {
        let mut topic = topic("t", 3, "2");
        topic.settings.as_mut().unwrap().insert("unclean.leader.election.enable".into(), "true".into());
        topic
    }

    fn cluster(brokers: i32, topics: Vec<ClusterTopic>) -> Cluster {
        let broker = |id| ClusterBroker { id, address: "b:9092".into(), settings: None };
        Cluster { brokers: (0..brokers).map(broker).collect(), topics, ..Cluster::default() }
    }
}
