//! A consumer group: members join, leave, stand still, are killed; the broker is killed below them; what was committed stays.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::broker::Broker;
use crate::clients::Client;
use crate::process::Process;

/// Offsets by partition.
type Offsets = BTreeMap<i32, i64>;

pub(crate) async fn group(client: Client) {
    let mut broker = Broker::start_mortal().await;
    let bootstrap = broker.bootstrap();
    client.run("create", &bootstrap, TOPIC, &["--partitions", "6"]).await;
    let write = async || client.start("write", &bootstrap, TOPIC, &["--partitions", "6"]).await;
    let join = async |session: &str| {
        client.start("member", &bootstrap, TOPIC, &["--group", "g", "--session-ms", session]).await
    };
    let mut lines = Vec::new();

    // They join one after another, while records come.
    let mut writer = write().await;
    writer.until("writing", |lines| last(lines, "writing").is_some()).await;
    let mut polite = join(ENDLESS_SESSION).await;
    owns(&mut polite, 6).await;
    commits_more(&mut polite).await;
    let mut lasting = join(SHORTEST_SESSION).await;
    owns(&mut polite, 3).await;
    owns(&mut lasting, 3).await;
    let mut doomed = join(SHORTEST_SESSION).await;
    for member in [&mut polite, &mut lasting, &mut doomed] {
        owns(member, 2).await;
    }
    for member in [&mut polite, &mut lasting, &mut doomed] {
        commits_more(member).await;
    }
    let owned: BTreeSet<_> =
        [&polite, &lasting, &doomed].into_iter().flat_map(|member| owned(&member.lines())).collect();
    assert_eq!(owned.len(), 6, "each partition has an owner");

    // One leaves. Were the broker not told, its session would outlast this test.
    lines.extend(polite.stop().await);
    owns(&mut lasting, 3).await;
    owns(&mut doomed, 3).await;
    commits_more(&mut doomed).await;

    // One stands still for longer than its session. What it would commit afterwards is refused, and it joins again.
    doomed.freeze();
    owns(&mut lasting, 6).await;
    commits_more(&mut lasting).await;
    doomed.thaw();
    owns(&mut lasting, 3).await;
    commits_more(&mut doomed).await;

    // It is killed. Its session ends.
    lines.extend(doomed.kill().await);
    owns(&mut lasting, 6).await;
    commits_more(&mut lasting).await;

    // The broker is killed. Producer and member go on.
    broker.kill_and_restart().await;
    commits_more(&mut lasting).await;
    let ends = written(writer.stop().await);
    has_committed(&mut lasting, &ends).await;
    lines.extend(lasting.stop().await);

    // It is killed again. A new member begins where the others were.
    broker.kill_and_restart().await;
    let mut newcomer = join(SHORTEST_SESSION).await;
    owns(&mut newcomer, 6).await;
    let mut writer = write().await;
    writer.until("writing", |lines| last(lines, "writing").is_some()).await;
    commits_more(&mut newcomer).await;
    let further_ends = written(writer.stop().await);
    has_committed(&mut newcomer, &further_ends).await;
    let of_newcomer = newcomer.stop().await;
    let mut begun = Offsets::new();
    for (partition, [first, _]) in processed(&of_newcomer) {
        begun.entry(partition).or_insert(first);
    }
    assert_eq!(begun, ends, "a new member begins at the committed offsets");
    lines.extend(of_newcomer);

    every_record_was_processed(&lines, &further_ends);
    commits_never_went_back(&lines);
}

fn every_record_was_processed(lines: &[Value], ends: &Offsets) {
    let mut ranges = processed(lines);
    ranges.sort_unstable();
    let mut reached = Offsets::new();
    for (partition, [first, last]) in ranges {
        let next = reached.entry(partition).or_default();
        assert!(first <= *next, "partition {partition}: nobody processed {next} to {first}");
        *next = (*next).max(last + 1);
    }
    assert_eq!(&reached, ends, "to the ends");
}

fn commits_never_went_back(lines: &[Value]) {
    let mut commits: Vec<_> = lines.iter().filter(|line| line.get("committed").is_some()).collect();
    // Of one member they are in order already, and a sort keeps that.
    commits.sort_by(|one, other| one["began"].as_f64().partial_cmp(&other["began"].as_f64()).expect("times"));
    let mut reached = Offsets::new();
    for commit in commits {
        for (partition, offset) in offsets(&commit["committed"]) {
            let before = reached.insert(partition, offset).unwrap_or_default();
            assert!(before <= offset, "partition {partition}: back from {before} to {offset}");
        }
    }
}

/// Waits until a member owns this many partitions.
async fn owns(member: &mut Process, partitions: usize) {
    member.until(&format!("owns {partitions}"), |lines| owned(lines).len() == partitions).await;
}

/// Waits until a member has committed once more.
async fn commits_more(member: &mut Process) {
    let before = commits(&member.lines());
    member.until("commits more", |lines| commits(lines) > before).await;
}

/// Waits until a member has committed these offsets.
async fn has_committed(member: &mut Process, ends: &Offsets) {
    member
        .until(&format!("has committed {ends:?}"), |lines| {
            let mut committed = Offsets::new();
            for line in lines.iter().filter_map(|line| line.get("committed")) {
                committed.extend(offsets(line));
            }
            committed == *ends
        })
        .await;
}

fn owned(lines: &[Value]) -> Vec<i64> {
    let owned = last(lines, "owns").and_then(Value::as_array);
    owned.into_iter().flatten().filter_map(Value::as_i64).collect()
}

fn commits(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line.get("committed").is_some()).count()
}

/// First and last offset of each stretch that was processed.
fn processed(lines: &[Value]) -> Vec<(i32, [i64; 2])> {
    let stretches = lines.iter().filter_map(|line| line.get("processed")?.as_object());
    let read = |(partition, range): (&String, &Value)| {
        let bound = |n: usize| range[n].as_i64().expect("an offset");
        (partition.parse().expect("a partition"), [bound(0), bound(1)])
    };
    stretches.flatten().map(read).collect()
}

fn written(lines: Vec<Value>) -> Offsets {
    offsets(last(&lines, "written").expect("its verdict"))
}

fn offsets(value: &Value) -> Offsets {
    let members = value.as_object().expect("offsets by partition").iter();
    members
        .map(|(partition, offset)| (partition.parse().expect("a partition"), offset.as_i64().expect("an offset")))
        .collect()
}

fn last<'a>(lines: &'a [Value], member: &str) -> Option<&'a Value> {
    lines.iter().rev().find_map(|line| line.get(member))
}

const TOPIC: &str = "group";
/// Kafka allows no less; in milliseconds.
const SHORTEST_SESSION: &str = "6000";
/// Longer than anything here waits.
const ENDLESS_SESSION: &str = "300000";
