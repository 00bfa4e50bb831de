//! A Kafka cluster: whether it answers, and the settings of its brokers that our promises rest on.

use std::collections::BTreeMap;

use kafka_bridge::kafka::{Cluster, ExamineError, Properties};

use super::line::{Line, Subject};
use crate::config::{format_duration, format_size};

/// Nobody answered.
pub(super) fn unreachable(addresses: &str, error: &ExamineError, properties: &Properties) -> Line {
    let remedy = match error {
        ExamineError::Settings(_) => "correct the section [kafka.properties]".to_owned(),
        ExamineError::Unreachable(_) => format!(
            "start it, or name another with --kafka; if it does run: {}",
            match properties.get("security.protocol") {
                None => "it may want TLS or a password, see security.protocol in [kafka.properties]".to_owned(),
                Some(protocol) => format!("it may want another security.protocol than {protocol}, or another password"),
            }
        ),
    };
    Line::fail(Subject::Kafka, format!("no Kafka answers at {addresses} ({error})"), remedy)
}

/// Who they are.
pub(super) fn brokers(addresses: &str, cluster: &Cluster) -> Vec<Line> {
    let count = cluster.brokers.len();
    let unit = if count == 1 { "broker" } else { "brokers" };
    let ids: Vec<_> = cluster.brokers.iter().map(|broker| broker.id.to_string()).collect();
    vec![Line::ok(Subject::Kafka, format!("answers at {addresses}: {count} {unit} ({})", ids.join(", ")))]
}

/// What their settings, and ours, come to. `message_max_bytes` is our largest record.
pub(super) fn settings(cluster: &Cluster, message_max_bytes: usize) -> Vec<Line> {
    let ours = "acks=all, enable.idempotence=true, isolation.level=read_committed: fixed on our side";
    let mut lines = vec![Line::ok(Subject::Kafka, ours)];
    let told: Vec<_> =
        cluster.brokers.iter().filter_map(|broker| Some((broker.id, broker.settings.as_ref()?))).collect();
    if told.len() < cluster.brokers.len() {
        lines.push(Line::warn(
            Subject::Kafka,
            "not every broker tells its settings, so whether it keeps what was acknowledged is not known",
            "allow our user DescribeConfigs of the cluster",
        ));
    }
    let mut found: Vec<(Line, Vec<i32>)> = Vec::new();
    for (id, settings) in &told {
        for line in of_broker(settings, cluster.brokers.len(), message_max_bytes) {
            match found.iter_mut().find(|(known, _)| *known == line) {
                Some((_, ids)) => ids.push(*id),
                None => found.push((line, vec![*id])),
            }
        }
    }
    lines.extend(found.into_iter().map(|(line, ids)| if ids.len() == told.len() { line } else { line.of(&ids) }));
    lines
}

type Settings = BTreeMap<String, String>;

fn of_broker(settings: &Settings, brokers: usize, message_max_bytes: usize) -> Vec<Line> {
    [
        copies(settings, brokers),
        unclean(settings),
        auto_create(settings),
        largest(settings, message_max_bytes),
        retention(settings),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Of new topics; those there are have lines of their own.
fn copies(settings: &Settings, brokers: usize) -> Option<Line> {
    let replicas: usize = number(settings, "default.replication.factor")?;
    let in_sync: usize = number(settings, "min.insync.replicas")?;
    let what = format!("default.replication.factor={replicas}, min.insync.replicas={in_sync}");
    let three = "set default.replication.factor=3 and min.insync.replicas=2";
    Some(if replicas > brokers {
        let what = format!("{what}, and {brokers} to keep them: no topic can be made");
        Line::fail(Subject::Kafka, what, format!("run {replicas} brokers, or lower default.replication.factor"))
    } else if in_sync > replicas {
        Line::fail(Subject::Kafka, format!("{what}: no write to a new topic can be acknowledged"), three)
    } else if brokers == 1 {
        let what = format!("{what}, one broker: what is acknowledged outlives its process, not its machine");
        Line::warn(Subject::Kafka, what, format!("run three and {three}"))
    } else if replicas == 1 {
        Line::warn(Subject::Kafka, format!("{what}: new topics are lost with one machine"), three)
    } else if in_sync == 1 {
        let what = format!("{what}: what is acknowledged may be on one machine only");
        Line::warn(Subject::Kafka, what, "set min.insync.replicas=2")
    } else {
        Line::ok(Subject::Kafka, what)
    })
}

fn unclean(settings: &Settings) -> Option<Line> {
    let value = settings.get("unclean.leader.election.enable")?;
    let what = format!("unclean.leader.election.enable={value}");
    Some(match value.as_str() {
        "true" => Line::fail(
            Subject::Kafka,
            format!("{what}: a broker that fell behind may become leader, and acknowledged records vanish"),
            "set it to false",
        ),
        _ => Line::ok(Subject::Kafka, what),
    })
}

fn auto_create(settings: &Settings) -> Option<Line> {
    let value = settings.get("auto.create.topics.enable")?;
    let what = format!("auto.create.topics.enable={value}");
    Some(match value.as_str() {
        "true" => Line::warn(
            Subject::Kafka,
            format!("{what}: a client's typing error makes a topic, and a deleted one comes back"),
            "set it to false; --create-topics of this server still makes topics",
        ),
        _ => Line::ok(Subject::Kafka, what),
    })
}

fn largest(settings: &Settings, ours: usize) -> Option<Line> {
    let theirs: usize = number(settings, "message.max.bytes")?;
    let what = format!("message.max.bytes={theirs}");
    Some(if theirs < ours {
        let what = format!("{what}: records of up to {} are taken in here, and refused there", format_size(ours));
        let remedy = format!("set it to {ours}, or lower limits.message_size and limits.body_size");
        Line::warn(Subject::Kafka, what, remedy)
    } else {
        Line::ok(Subject::Kafka, what)
    })
}

/// The finest of the three counts, as in Kafka.
fn retention(settings: &Settings) -> Option<Line> {
    let of = |name: &str, factor: i64| Some((name.to_owned(), number::<i64>(settings, name)?.checked_mul(factor)?));
    let (name, milliseconds) = of("log.retention.ms", 1)
        .or_else(|| of("log.retention.minutes", 60_000))
        .or_else(|| of("log.retention.hours", 3_600_000))?;
    let kept = match u64::try_from(milliseconds) {
        Ok(milliseconds) => format_duration(std::time::Duration::from_millis(milliseconds)),
        Err(_) => "for ever".to_owned(),
    };
    Some(Line::ok(Subject::Kafka, format!("records are kept {kept} ({name}), where a topic does not say otherwise")))
}

pub(super) fn number<T: std::str::FromStr>(settings: &Settings, name: &str) -> Option<T> {
    settings.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use kafka_bridge::kafka::{ClusterBroker, SettingsError};

    use super::*;

    const GOOD: [(&str, &str); 6] = [
        ("default.replication.factor", "3"),
        ("min.insync.replicas", "2"),
        ("unclean.leader.election.enable", "false"),
        ("auto.create.topics.enable", "false"),
        ("message.max.bytes", "5000000"),
        ("log.retention.hours", "168"),
    ];

    #[test]
    fn each_setting_has_its_line() {
        for (brokers, changed, start) in [
            (3, &[][..], "ok    kafka     default.replication.factor=3, min.insync.replicas=2"),
            (
                1,
                &[],
                "fail  kafka     default.replication.factor=3, min.insync.replicas=2, and 1 to keep them: no topic can be made",
            ),
            (
                2,
                &[],
                "fail  kafka     default.replication.factor=3, min.insync.replicas=2, and 2 to keep them: no topic can be made",
            ),
            (
                2,
                &[("default.replication.factor", "2")],
                "ok    kafka     default.replication.factor=2, min.insync.replicas=2",
            ),
            (
                1,
                &[("default.replication.factor", "1"), ("min.insync.replicas", "1")],
                "warn  kafka     default.replication.factor=1, min.insync.replicas=1, one broker: ",
            ),
            (
                3,
                &[("default.replication.factor", "1"), ("min.insync.replicas", "1")],
                "warn  kafka     default.replication.factor=1, min.insync.replicas=1: new topics are lost with one machine",
            ),
            (3, &[("default.replication.factor", "1")], "fail  kafka     default.replication.factor=1, min.insync"),
            (
                3,
                &[("min.insync.replicas", "1")],
                "warn  kafka     default.replication.factor=3, min.insync.replicas=1:",
            ),
            (3, &[], "ok    kafka     unclean.leader.election.enable=false"),
            (3, &[("unclean.leader.election.enable", "true")], "fail  kafka     unclean.leader.election.enable=true: "),
            (3, &[], "ok    kafka     auto.create.topics.enable=false"),
            (3, &[("auto.create.topics.enable", "true")], "warn  kafka     auto.create.topics.enable=true: "),
            (3, &[], "ok    kafka     message.max.bytes=5000000"),
            (
                3,
                &[("message.max.bytes", "1048588")],
                "warn  kafka     message.max.bytes=1048588: records of up to 4MiB are taken in here, and refused there; \
                 set it to 4194304, or lower",
            ),
            (3, &[("message.max.bytes", "4194304")], "ok    kafka     message.max.bytes=4194304"),
            (3, &[], "ok    kafka     records are kept 7d (log.retention.hours), where"),
            (3, &[("log.retention.ms", "60000")], "ok    kafka     records are kept 60s (log.retention.ms), where"),
            (
                3,
                &[("log.retention.minutes", "1")],
                "ok    kafka     records are kept 60s (log.retention.minutes), where",
            ),
            (3, &[("log.retention.ms", "-1")], "ok    kafka     records are kept for ever (log.retention.ms), where"),
        ] {
            let lines = lines(brokers, changed);
            assert!(lines.iter().any(|line| line.starts_with(start)), "{start:?} is none of {lines:#?}");
            assert_eq!(lines.len(), 6);
        }
    }

    #[test]
    fn what_one_broker_alone_has_is_told_of_it() {
        let mut cluster = cluster(3, &[]);
        cluster.brokers[1].settings.as_mut().unwrap().insert("auto.create.topics.enable".into(), "true".into());
        cluster.brokers[2].settings = None;
        let lines: Vec<_> = settings(&cluster, 1).iter().map(Line::to_string).collect();
        assert!(lines.iter().any(|line| line.starts_with("warn  kafka     not every broker tells")), "{lines:#?}");
        let of_one = "broker 1: auto.create.topics.enable=true";
        assert!(lines.iter().any(|line| line.starts_with(&format!("warn  kafka     {of_one}"))), "{lines:#?}");
        assert!(lines.contains(&"ok    kafka     broker 0: auto.create.topics.enable=false".to_owned()), "{lines:#?}");
        assert!(lines.contains(&"ok    kafka     unclean.leader.election.enable=false".to_owned()), "{lines:#?}");
    }

    #[test]
    fn nobody_there_is_told_with_what_may_be_the_reason() {
        let unreachable = |error: ExamineError, properties: &[(&str, &str)]| {
            unreachable("a:1", &error, &properties.iter().copied().collect()).to_string()
        };
        let refused = || ExamineError::Unreachable("Connection refused".into());
        let line = unreachable(refused(), &[]);
        assert!(
            line.starts_with("fail  kafka     no Kafka answers at a:1 (Connection refused); start it, or"),
            "{line}"
        );
        assert!(line.contains("TLS or a password"), "{line}");
        assert!(unreachable(refused(), &[("security.protocol", "ssl")]).contains("security.protocol than ssl"));
        let settings = ExamineError::Settings(SettingsError::Property("sasl.x".into()));
        assert!(unreachable(settings, &[]).ends_with("correct the section [kafka.properties]"));
    }

    fn lines(brokers: usize, changed: &[(&str, &str)]) -> Vec<String> {
        settings(&cluster(brokers, changed), 4 << 20).iter().map(Line::to_string).collect()
    }

    fn cluster(brokers: usize, changed: &[(&str, &str)]) -> Cluster {
        let settings: BTreeMap<_, _> =
            GOOD.iter().chain(changed).map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let broker = |id| ClusterBroker { id, address: "b:9092".into(), settings: Some(settings.clone()) };
        Cluster { brokers: (0..brokers as i32).map(broker).collect(), ..Cluster::default() }
    }
}
