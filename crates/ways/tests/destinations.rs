//! Destinations against a receiver of this machine.
#![allow(clippy::unwrap_used)]

mod local;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use kafka_bridge::broker::{
    Ack, Broker, BrokerError, CreateTopicError, Deliveries, Health, NextOffset, NotWritten, PartitionPositions,
    ReadError, Start, TopicInfo,
};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;
use kafka_bridge::record::NewRecord;
use kafka_bridge::topic_settings::{NewTopic, TopicSettings};
use local::{Receiver, Reply, Writes, broker, records, until};
use quix_model::{EventData, Outgoing};
use sha2::Sha256;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use ways::destination::{DestinationConfig, DestinationMetrics, Sender, Surroundings, run};
use ways::fetch::Fetcher;
use ways::fields::{Entry, Fields};
use ways::{Append, AppendError, Durable};

/// Polite at its end; killed when dropped.
struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(broker: Arc<dyn Broker>, url: &str, settings: &str) -> Self {
        Self::with(broker.clone(), Arc::new(Writes(broker)), url, settings)
    }

    fn with(broker: Arc<dyn Broker>, append: Arc<dyn Append>, url: &str, settings: &str) -> Self {
        let text = format!(
            "name = 'd'\ntopic = 't'\nurl = '{url}'\nwhere = {{ event = '*' }}\nallow_http = true\nallow_private = true\n\
             from = 'earliest'\n{settings}"
        );
        let mut fields = Fields::new(toml::from_str(&text).unwrap());
        let config = DestinationConfig::from_fields(&mut fields).unwrap();
        fields.finish().unwrap();
        let sender = Sender::new(&config, Fetcher::new().unwrap()).unwrap();
        let (stop, stopping) = watch::channel(false);
        let (workspace, metrics) = ("ws".to_owned(), DestinationMetrics::default());
        let surroundings = Surroundings { broker, append, workspace, metrics, stopping, finish_within: FINISH_WITHIN };
        Self { stop, task: tokio::spawn(run(config, sender, surroundings)) }
    }

    async fn stop(mut self) {
        self.stop.send_replace(true);
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write(broker: &Arc<MemoryBroker>, stream_id: &str, value: &str) {
    let event: EventData =
        serde_json::from_value(serde_json::json!({ "timestamp": 1, "id": "e", "value": value })).unwrap();
    Writes(broker.clone()).append("t", stream_id, Outgoing::Events(&[event])).await.unwrap();
}

async fn write_many(broker: &Arc<MemoryBroker>, streams: usize, each: std::ops::Range<usize>) {
    for number in each {
        for stream in 0..streams {
            write(broker, &format!("s{stream}"), &format!("{number}")).await;
        }
    }
}

/// Values by stream as they came.
fn came(server: &Receiver, taken: impl Fn(usize) -> bool) -> BTreeMap<String, Vec<String>> {
    let mut came: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, body) in server.bodies().into_iter().enumerate().filter(|(number, _)| taken(*number)) {
        let message: serde_json::Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{number}: {error}"));
        let text = |name: &str| message[name].as_str().unwrap().to_owned();
        came.entry(text("streamId")).or_default().push(text("value"));
    }
    came
}

fn all(streams: usize, each: usize) -> BTreeMap<String, Vec<String>> {
    let values: Vec<_> = (0..each).map(|number| number.to_string()).collect();
    (0..streams).map(|stream| (format!("s{stream}"), values.clone())).collect()
}

async fn committed(broker: &dyn Broker) -> i64 {
    broker.committed("streamgate-d", "t").await.unwrap().iter().map(|next| next.offset).sum()
}

#[tokio::test]
async fn a_receiver_that_was_away_gets_everything_in_order_and_a_restart_loses_nothing() {
    let broker = broker(&["t"]).await;
    let (away, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_away, counted) = (away.clone(), refused.clone());
    let receiver = Receiver::start(move |request, _| {
        if is_away.load(Ordering::SeqCst) {
            counted.fetch_add(1, Ordering::SeqCst);
            return Reply::status(500);
        }
        assert!(request.headers["webhook-id"].starts_with("t-"));
        Reply::status(200)
    })
    .await;
    write_many(&broker, 5, 0..20).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 3");
    until("all that there is", || receiver.asked().len() >= 100).await;
    running.stop().await;
    assert_eq!(committed(&*broker).await, 100, "what was taken is committed at the end");
    assert_eq!(came(&receiver, |_| true), all(5, 20), "each once, each stream in order");

    away.store(true, Ordering::SeqCst);
    let before = receiver.asked().len();
    write_many(&broker, 5, 20..40).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 3");
    until("refusals, and time to commit between them", || refused.load(Ordering::SeqCst) >= 5).await;
    drop(running); // killed
    assert_eq!(committed(&*broker).await, 100);
    let failed = receiver.asked().len() - before;
    away.store(false, Ordering::SeqCst);
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 3");
    until("the rest", || receiver.asked().len() >= before + failed + 100).await;
    running.stop().await;
    assert_eq!(came(&receiver, |number| number < before || number >= before + failed), all(5, 40));
    let ids: BTreeSet<_> = receiver.asked().into_iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 200, "a message has one id, whenever it is sent");
}

#[tokio::test]
async fn a_new_destination_begins_at_the_end_and_remembers_that() {
    let broker = broker(&["t"]).await;
    write_many(&broker, 2, 0..3).await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let config = "\nfrom = 'end'";
    let start = |broker: &Arc<MemoryBroker>| {
        let text = format!(
            "name = 'd'\ntopic = 'ws-t'\nurl = '{}'\nwhere = {{ event = '*' }}\nallow_http = true\nallow_private = true{config}",
            receiver.url("/")
        );
        let config = DestinationConfig::from_fields(&mut Fields::new(toml::from_str(&text).unwrap())).unwrap();
        let sender = Sender::new(&config, Fetcher::new().unwrap()).unwrap();
        let (stop, stopping) = watch::channel(false);
        let surroundings = Surroundings {
            broker: broker.clone(),
            append: Arc::new(Writes(broker.clone())),
            workspace: "ws".to_owned(),
            metrics: DestinationMetrics::default(),
            stopping,
            finish_within: FINISH_WITHIN,
        };
        Running { stop, task: tokio::spawn(run(config, sender, surroundings)) }
    };
    let running = start(&broker);
    let begins = async {
        while broker.committed("streamgate-d", "t").await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, begins).await.expect("it commits where it begins");
    drop(running);
    write_many(&broker, 2, 0..2).await;
    let running = start(&broker);
    until("what came while it was not there", || receiver.asked().len() >= 4).await;
    running.stop().await;
    assert_eq!(came(&receiver, |_| true), all(2, 2));
}

#[tokio::test]
async fn what_is_never_taken_goes_to_the_dead_letters_and_the_rest_goes_on() {
    let broker = broker(&["t", "dead"]).await;
    let receiver = Receiver::start(|request, _| match &request.body {
        body if body.contains("bad") => Reply::status(422),
        body if body.contains("later") => Reply::status(503),
        _ => Reply::status(200),
    })
    .await;
    for value in ["0", "bad", "1"] {
        write(&broker, "a", value).await;
    }
    write(&broker, "b", "later").await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "dead_letter = 'dead'\nretry_for = '0s'");
    let letters = async {
        loop {
            let letters = records(&*broker, "dead").await;
            if letters.len() == 2 {
                return letters;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut letters = tokio::time::timeout(PATIENCE, letters).await.expect("two letters");
    until("what comes behind", || came(&receiver, |_| true).get("a").is_some_and(|values| values.len() == 3)).await;
    running.stop().await;
    assert_eq!(committed(&*broker).await, 4);
    letters.sort_by_key(|letter| letter.key.clone());
    let letter: serde_json::Value = serde_json::from_slice(letters[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(letters[0].key.as_deref(), Some(&b"a"[..]));
    assert_eq!(
        (&letter["reason"], &letter["message"]["value"]),
        (&"it answers with HTTP status 422".into(), &"bad".into())
    );
}

#[tokio::test]
async fn a_receiver_that_says_gone_is_left_alone_and_nothing_is_passed_over() {
    let broker = broker(&["t"]).await;
    let receiver = Receiver::start(|_, before| Reply::status(if before == 0 { 410 } else { 200 })).await;
    write_many(&broker, 1, 0..3).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "");
    until("the answer", || !receiver.asked().is_empty()).await;
    running.stop().await;
    assert_eq!((receiver.asked().len(), committed(&*broker).await), (1, 0));
    let running = Running::start(broker.clone(), &receiver.url("/"), "");
    until("all, after a new start", || receiver.asked().len() >= 4).await;
    running.stop().await;
    assert_eq!(came(&receiver, |number| number > 0), all(1, 3));
}

#[tokio::test]
async fn a_receiver_that_said_gone_is_left_alone_when_its_topic_is_made_anew_as_well() {
    let broker = broker(&["t"]).await;
    let receiver = Receiver::start(|_, _| Reply::status(410)).await;
    write_many(&broker, 1, 0..1).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "");
    until("the answer", || !receiver.asked().is_empty()).await;
    broker.delete_topic("t");
    broker.create_topic("t", Some(1)).await.unwrap();
    write_many(&broker, 1, 1..2).await;
    let opened = async {
        while broker.committed("streamgate-d", "t").await.unwrap() != [NextOffset { partition: 0, offset: 0 }] {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.expect("it is read again");
    running.stop().await;
    assert_eq!(receiver.asked().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_holds_up_no_stop_and_what_others_took_is_committed() {
    let broker = broker(&["t"]).await;
    let receiver = Receiver::start(|request, _| match request.body.contains("slow") {
        true => Reply::Silence,
        false => Reply::status(200),
    })
    .await;
    write(&broker, "a", "0").await;
    write(&broker, "a", "slow").await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "");
    until("both", || receiver.asked().len() >= 2).await;
    let begun = std::time::Instant::now();
    running.stop().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(committed(&*broker).await, 1);
}

#[tokio::test]
async fn a_receiver_is_asked_again_when_it_says_so_and_one_message_at_a_time() {
    let broker = broker(&["t"]).await;
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = times.clone();
    let receiver = Receiver::start(move |_, before| {
        told.lock().unwrap().push(std::time::Instant::now());
        if before == 0 { Reply::status_with(429, "retry-after", "2") } else { Reply::status(200) }
    })
    .await;
    write_many(&broker, 4, 0..2).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 1");
    until("all", || receiver.asked().len() >= 9).await;
    running.stop().await;
    let times = times.lock().unwrap();
    assert!(times[1] - times[0] >= std::time::Duration::from_secs(2), "{:?}", times[1] - times[0]);
}

#[tokio::test]
async fn a_message_that_is_never_taken_holds_up_its_own_stream_only() {
    let broker = broker(&["t"]).await;
    let receiver =
        Receiver::start(|request, _| Reply::status(if request.body.contains("bad") { 500 } else { 200 })).await;
    write(&broker, "a", "bad").await;
    write_many(&broker, 3, 0..2).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 1");
    until("all of the others", || {
        let came = came(&receiver, |_| true);
        (0..3).all(|stream| came.get(&format!("s{stream}")).is_some_and(|values| values.len() == 2))
    })
    .await;
    running.stop().await;
    assert!(came(&receiver, |_| true)["a"].iter().all(|value| value == "bad"));
}

#[tokio::test]
async fn a_message_that_is_not_welcome_lets_the_others_go_on_at_once() {
    let broker = broker(&["t"]).await;
    let receiver =
        Receiver::start(|request, _| Reply::status(if request.body.contains("bad") { 404 } else { 200 })).await;
    write_many(&broker, 3, 0..1).await;
    let stands = ends(&*broker).await;
    for stream in ["x", "y"] {
        write(&broker, stream, "bad").await;
    }
    let bad = firsts(&stands, &ends(&*broker).await);
    write_many(&broker, 3, 1..40).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 4");
    until("all of the others", || {
        let came = came(&receiver, |_| true);
        (0..3).all(|stream| came.get(&format!("s{stream}")).is_some_and(|values| values.len() == 40))
    })
    .await;
    running.stop().await;
    let came = came(&receiver, |_| true);
    assert!(["x", "y"].iter().all(|stream| (1..TRIES).contains(&came[*stream].len())), "{came:?}");
    let committed = broker.committed("streamgate-d", "t").await.unwrap();
    assert!(bad.iter().all(|at| committed.contains(at)), "{committed:?} stands before {bad:?}");
}

/// More than may wait, and more than may be read ahead.
#[tokio::test]
async fn what_is_not_welcome_does_not_keep_reading_closed() {
    for (bad, others) in [(1_500, 100), (1, 3_500)] {
        let broker = broker(&["t", "dead"]).await;
        let receiver =
            Receiver::start(|request, _| Reply::status(if request.body.contains("bad") { 404 } else { 200 })).await;
        write_many(&broker, 3, 0..1).await;
        for _ in 0..bad {
            write(&broker, "s0", "bad").await;
        }
        write_many(&broker, 3, 1..others).await;
        let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 8\ndead_letter = 'dead'");
        let all = (bad + 3 * others) as i64;
        let is_done = async {
            while committed(&*broker).await < all {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(2 * PATIENCE, is_done).await.expect("all is done with");
        running.stop().await;
        let came = came(&receiver, |_| true);
        assert!((1..3).all(|stream| came[&format!("s{stream}")].len() == others));
        assert_eq!(records(&*broker, "dead").await.len(), bad);
        let tries = came["s0"].iter().filter(|value| *value == "bad").count();
        assert!((bad + 1..bad + TRIES).contains(&tries), "{tries} tries: the first of them several, the others one");
    }
}

#[tokio::test]
async fn a_hook_that_is_deleted_is_asked_rarely_and_gets_everything_when_it_is_back() {
    let broker = broker(&["t", "dead"]).await;
    let is_deleted = Arc::new(AtomicBool::new(true));
    let deleted = is_deleted.clone();
    let receiver =
        Receiver::start(move |_, _| Reply::status(if deleted.load(Ordering::SeqCst) { 404 } else { 200 })).await;
    write_many(&broker, 20, 0..5).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 8\ndead_letter = 'dead'");
    let begun = std::time::Instant::now();
    // Eight at once, and two more until three have been refused.
    until("a try after a pause", || receiver.asked().len() > 10).await;
    let asked = receiver.asked().len();
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "{asked} in {:?}", begun.elapsed());
    is_deleted.store(false, Ordering::SeqCst);
    let refused = receiver.asked().len();
    until("all", || receiver.asked().len() >= refused + 100).await;
    running.stop().await;
    assert_eq!(committed(&*broker).await, 100);
    assert_eq!(records(&*broker, "dead").await.len(), 0);
}

#[tokio::test]
async fn a_receiver_that_wants_other_credentials_is_left_alone() {
    for status in [401, 403, 407] {
        let broker = broker(&["t"]).await;
        let times = Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = times.clone();
        let receiver = Receiver::start(move |_, before| {
            told.lock().unwrap().push(std::time::Instant::now());
            Reply::status(if before == 0 { status } else { 200 })
        })
        .await;
        write_many(&broker, 4, 0..1).await;
        let running = Running::start(broker.clone(), &receiver.url("/"), "parallel = 1");
        until("all", || receiver.asked().len() >= 5).await;
        running.stop().await;
        assert_eq!(committed(&*broker).await, 4);
        let times = times.lock().unwrap();
        assert!(times[1] - times[0] >= std::time::Duration::from_secs(1), "{status}: no other stream meanwhile");
    }
}

#[tokio::test]
async fn what_is_given_up_is_not_sent_again_while_its_dead_letter_cannot_be_written() {
    let broker = broker(&["t"]).await;
    let receiver =
        Receiver::start(|request, _| Reply::status(if request.body.contains("bad") { 422 } else { 200 })).await;
    write(&broker, "a", "bad").await;
    write(&broker, "a", "1").await;
    let (tries, writes) = (Arc::new(AtomicUsize::new(0)), Writes(broker.clone()));
    let counted = Arc::new(Counted { tries: tries.clone(), writes });
    let running = Running::with(broker.clone(), counted, &receiver.url("/"), "dead_letter = 'dead'");
    until("two tries to write it", || tries.load(Ordering::SeqCst) >= 2).await;
    broker.create_topic("dead", Some(1)).await.unwrap();
    until("what comes behind", || receiver.asked().len() >= 2).await;
    running.stop().await;
    assert_eq!(came(&receiver, |_| true)["a"], ["bad", "1"]);
    let letters = records(&*broker, "dead").await;
    let letter: serde_json::Value = serde_json::from_slice(letters[0].value.as_deref().unwrap()).unwrap();
    assert_eq!((letters.len(), &letter["reason"]), (1, &"it answers with HTTP status 422".into()));
    assert_eq!(committed(&*broker).await, 2);
}

/// Counts what is tried.
#[derive(Debug)]
struct Counted {
    tries: Arc<AtomicUsize>,
    writes: Writes,
}

impl Append for Counted {
    fn hand_over<'a>(
        &'a self,
        topic: &'a str,
        stream_id: &'a str,
        outgoing: Outgoing<'a>,
    ) -> BoxFuture<'a, Result<Durable, AppendError>> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        self.writes.hand_over(topic, stream_id, outgoing)
    }
}

#[tokio::test]
async fn what_is_older_than_retry_for_when_the_server_is_back_is_tried_for_so_long_once_more() {
    let broker = broker(&["t", "dead"]).await;
    let receiver = Receiver::start(|_, _| Reply::status(503)).await;
    let written = std::time::Instant::now();
    write(&broker, "a", "x").await;
    let settings = "retry_for = '2s'\ndead_letter = 'dead'";
    let running = Running::start(broker.clone(), &receiver.url("/"), settings);
    until("the first try", || !receiver.asked().is_empty()).await;
    running.stop().await;
    let before = receiver.asked().len();
    assert_eq!((committed(&*broker).await, records(&*broker, "dead").await.len()), (0, 0), "it outlasts a stop");
    until("its age", || written.elapsed() > std::time::Duration::from_secs(2)).await;
    let running = Running::start(broker.clone(), &receiver.url("/"), settings);
    let is_done = async {
        while committed(&*broker).await < 1 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_done).await.expect("it is given up");
    running.stop().await;
    assert!(receiver.asked().len() - before >= 2, "not at its first refusal");
    assert_eq!(records(&*broker, "dead").await.len(), 1);
}

#[test]
fn nothing_shows_the_url_of_a_hook() {
    let text = "name = 'd'\ntopic = 't'\nurl = 'https://hooks.example/T0/secret?key=secret'";
    let config = DestinationConfig::from_fields(&mut Fields::new(toml::from_str(text).unwrap())).unwrap();
    let sender = Sender::new(&config, Fetcher::new().unwrap()).unwrap();
    let shown = format!("{config:?} {sender:?} {}", toml::to_string(&config).unwrap());
    assert!(!shown.contains("secret") && shown.contains("https://hooks.example"), "{shown}");
}

#[test]
fn a_url_that_is_written_out_is_a_secret_and_so_is_the_user_of_pushover() {
    let holds_secrets = |text: &str| {
        let text = format!("name = 'd'\ntopic = 't'\n{text}");
        DestinationConfig::from_fields(&mut Fields::new(toml::from_str(&text).unwrap())).unwrap().holds_secrets()
    };
    assert!(holds_secrets("url = 'https://hooks.example/T0/B0'"));
    assert!(!holds_secrets("url = '${HOOK}'"));
    let basic = |user: &str| format!("preset = 'pushover'\nbasic = {{ user = '{user}', password = '${{T}}' }}");
    assert!(holds_secrets(&basic("u1")) && !holds_secrets(&basic("${U}")));
    assert!(!holds_secrets("url = '${HOOK}'\nbasic = { user = 'u1', password = '${P}' }"), "a name alone is none");
}

/// By partition.
async fn ends(broker: &dyn Broker) -> Vec<NextOffset> {
    let positions = broker.positions("t").await.unwrap();
    positions.iter().map(|at| NextOffset { partition: at.partition, offset: at.end }).collect()
}

/// Where something came between.
fn firsts(before: &[NextOffset], after: &[NextOffset]) -> Vec<NextOffset> {
    before.iter().zip(after).filter(|(before, after)| before != after).map(|(before, _)| *before).collect()
}

#[tokio::test]
async fn what_another_server_commits_meanwhile_is_no_sign_of_another_topic() {
    let broker = broker(&["t"]).await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    for number in 0..3 {
        write(&broker, "a", &number.to_string()).await;
    }
    let at = broker.positions("t").await.unwrap().into_iter().find(|at| at.end > 0).unwrap();
    let committed = |offset| vec![NextOffset { partition: at.partition, offset }];
    broker.commit("streamgate-d", "t", committed(3)).await.unwrap();
    let meanwhile = Meanwhile { inner: broker.clone(), committed: committed(5), is_done: AtomicBool::new(false) };
    let running = Running::start(Arc::new(meanwhile), &receiver.url("/"), "");
    until("what came behind", || came(&receiver, |_| true).get("a").is_some_and(|came| came.contains(&"4".to_owned())))
        .await;
    running.stop().await;
    assert_eq!(came(&receiver, |_| true)["a"], ["3", "4"], "what was committed before does not come again");
}

/// A broker on which another server sends and commits two more between a look at what is committed and one at the ends.
#[derive(Debug)]
struct Meanwhile {
    inner: Arc<MemoryBroker>,
    committed: Vec<NextOffset>,
    is_done: AtomicBool,
}

impl Meanwhile {
    async fn goes_on(&self) {
        if !self.is_done.swap(true, Ordering::SeqCst) {
            for value in ["3", "4"] {
                write(&self.inner, "a", value).await;
            }
            self.inner.commit("streamgate-d", "t", self.committed.clone()).await.unwrap();
        }
    }
}

impl Broker for Meanwhile {
    fn positions(&self, topic: &str) -> BoxFuture<'_, Result<Vec<PartitionPositions>, ReadError>> {
        let topic = topic.to_owned();
        async move {
            let positions = self.inner.positions(&topic).await;
            self.goes_on().await;
            positions
        }
        .boxed()
    }

    fn committed(&self, group: &str, topic: &str) -> BoxFuture<'_, Result<Vec<NextOffset>, BrokerError>> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        async move {
            let committed = self.inner.committed(&group, &topic).await;
            self.goes_on().await;
            committed
        }
        .boxed()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        self.inner.append(topic, record)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, BrokerError>> {
        self.inner.topics()
    }

    fn topic(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicInfo>, BrokerError>> {
        self.inner.topic(name)
    }

    fn make_topic(&self, name: &str, wanted: NewTopic) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>> {
        self.inner.make_topic(name, wanted)
    }

    fn topic_settings(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicSettings>, BrokerError>> {
        self.inner.topic_settings(name)
    }

    fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> BoxFuture<'_, Result<Vec<i64>, ReadError>> {
        self.inner.offsets_at(topic, timestamp_ms)
    }

    fn read(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        self.inner.read(topic, start)
    }

    fn commit(&self, group: &str, topic: &str, next: Vec<NextOffset>) -> BoxFuture<'_, Result<(), ReadError>> {
        self.inner.commit(group, topic, next)
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn flush(&self) -> BoxFuture<'_, bool> {
        self.inner.flush()
    }
}

#[tokio::test]
async fn commits_that_fail_and_reads_that_end_cost_nothing() {
    let memory = broker(&["t"]).await;
    let misbehaving = MisbehavingBroker::new(memory.clone());
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let running = Running::start(misbehaving.clone(), &receiver.url("/"), "");
    write_many(&memory, 2, 0..5).await;
    until("the first", || receiver.asked().len() >= 10).await;
    memory.delete_topic("t");
    memory.create_topic("t", Some(3)).await.unwrap();
    write_many(&memory, 2, 5..8).await;
    until("those of the new topic of that name", || receiver.asked().len() >= 16).await;
    running.stop().await;
    assert_eq!(came(&receiver, |_| true), all(2, 8));
    let at = |partition, offset| NextOffset { partition, offset };
    assert!(!misbehaving.committed("streamgate-d", "t").await.unwrap().contains(&at(0, 99)));
}

#[tokio::test]
async fn what_is_sent_is_signed_and_no_secret_is_in_what_can_be_shown() {
    let broker = broker(&["t"]).await;
    write(&broker, "a", "x").await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let settings = "body = { text = '{{value}}' }\nheaders = { X-Key = 'top' }\nbasic = { user = 'u', password = 'p' }\n\
                    sign = { scheme = 'standard', secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }";
    let running = Running::start(broker.clone(), &receiver.url("/hook"), settings);
    until("it", || !receiver.asked().is_empty()).await;
    running.stop().await;
    let request = &receiver.asked()[0];
    assert_eq!((&*request.line, &*request.body), ("POST /hook", r#"{"text":"x"}"#));
    assert_eq!((&*request.headers["x-key"], &*request.headers["authorization"]), ("top", "Basic dTpw"));
    let (id, time) = (&request.headers["webhook-id"], &request.headers["webhook-timestamp"]);
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{time}.{}", request.body).as_bytes());
    let expected = STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(request.headers["webhook-signature"], format!("v1,{expected}"));
}

#[tokio::test]
async fn pushover_gets_who_sends_to_whom_in_its_form_alone() {
    let broker = broker(&["t"]).await;
    write(&broker, "a", "5 > 4").await;
    let receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let settings = "preset = 'pushover'\nform = { title = '{{id}}' }\nbasic = { user = 'u&1', password = 'p' }";
    let running = Running::start(broker.clone(), &receiver.url("/1/messages.json"), settings);
    until("it", || !receiver.asked().is_empty()).await;
    running.stop().await;
    let request = &receiver.asked()[0];
    assert_eq!(request.body, "message=5+%3E+4&title=e&token=p&user=u%261");
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(!request.headers.contains_key("authorization"));
}

/// Of what is not welcome.
const TRIES: usize = 7;
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
const FINISH_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);
