//! A destination's task: reads its topic, sends, commits.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kafka_bridge::broker::{Broker, Deliveries, NextOffset, PartitionPositions, ReadError, Start};
use tokio::sync::watch;

use super::config::{Begin, DestinationConfig};
use super::filter::TopicNames;
use super::intake::Intake;
use super::metrics::OwnMetrics;
use super::progress::Progress;
use super::receiver::Receiver;
use super::work::{Ended, Work};
use super::{DestinationMetrics, Sender};
use crate::append::Append;
use crate::chance::chance;
use crate::stopping::stopped;

/// What a destination needs.
#[derive(Debug)]
pub struct Surroundings {
    /// Where its topic lives.
    pub broker: Arc<dyn Broker>,
    /// Writes what is given up.
    pub append: Arc<dyn Append>,
    /// Of topic ids: the id of topic `f1` is `<workspace>-f1`.
    pub workspace: String,
    /// Counted in.
    pub metrics: DestinationMetrics,
    /// True when the server stops.
    pub stopping: watch::Receiver<bool>,
    /// How long it then waits for the answers to what is under way.
    pub finish_within: Duration,
}

/// What all of a destination's work shares.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: DestinationConfig,
    pub(super) sender: Sender,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) append: Arc<dyn Append>,
    /// Name of the topic, as the broker has it.
    pub(super) topic: TopicNames,
    /// Whose positions are committed.
    pub(super) group: String,
    pub(super) metrics: OwnMetrics,
    pub(super) finish_within: Duration,
}

/// Sends until the server stops: what is under way then is finished, and committed.
pub async fn run(config: DestinationConfig, sender: Sender, surroundings: Surroundings) {
    let Surroundings { broker, append, workspace, metrics, mut stopping, finish_within } = surroundings;
    let (group, metrics) = (format!("streamgate-{}", config.name), metrics.of(&config.name));
    let mut context = Context {
        topic: TopicNames { id: String::new(), name: config.topic.clone() },
        config,
        sender,
        broker,
        append,
        group,
        metrics,
        finish_within,
    };
    context.metrics.paused.set(0);
    let mut receiver = Receiver::new(context.config.rate);
    let mut begin = Beginning::from(context.config.from);
    loop {
        let (mut told, looked) = (stopping.clone(), SystemTime::now());
        let ended = tokio::select! {
            opened = open(&mut context, &workspace, &mut receiver, begin) => match opened {
                Ok((deliveries, work)) => {
                    begin = Beginning::Earliest; // it has run: only of a topic that is made anew nothing is committed
                    work.run(&context, deliveries, &mut stopping).await
                }
                Err(error) => {
                    if matches!(error, ReadError::UnknownTopic(_)) {
                        begin = begin.of_a_topic_made_after(looked);
                    }
                    Ended::Interrupted(error.to_string())
                }
            },
            () = stopped(&mut told) => return,
        };
        match ended {
            Ended::Stopped => return,
            Ended::Interrupted(why) => {
                tracing::warn!(destination = context.config.name, "its topic cannot be read: {why}; tried again");
                let wait = AGAIN.mul_f64(1.0 + chance());
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stopped(&mut stopping) => return,
                }
            }
        }
    }
}

/// Begins to read where the group stands.
async fn open<'r>(
    context: &mut Context,
    workspace: &str,
    receiver: &'r mut Receiver,
    begin: Beginning,
) -> Result<(Deliveries, Work<'r>), ReadError> {
    context.topic = topic(&*context.broker, &context.config.topic, workspace).await?;
    let Context { broker, group, topic, .. } = &*context;
    let mut next = broker.committed(group, &topic.name).await?;
    // Asked later: what another server has committed meanwhile must not stand beyond the ends known here.
    let positions = broker.positions(&topic.name).await?;
    if next.is_empty() {
        next = begin.offsets(&**broker, &topic.name, &positions).await?;
    }
    for (next, at) in made_anew(&mut next, &positions) {
        tracing::warn!(destination = context.config.name, partition = at.partition, "the topic was made anew");
        next.offset = at.earliest;
    }
    // From then on nothing is passed over, whatever happens; and no broker forgets a partition because it is quiet.
    broker.commit(group, &topic.name, next.clone()).await?;
    let progress = Progress::at(&next);
    let deliveries = broker.read_for_server(&topic.name, Start::At(next)).await?;
    let now = Instant::now();
    let intake = Intake::new(context.config.filter.clone(), topic.clone(), context.metrics.skipped.clone(), now);
    tracing::info!(destination = context.config.name, topic = topic.name, "a destination is being served");
    Ok((deliveries, Work::new(intake, progress, receiver, now)))
}

/// Where a group begins that has committed nothing.
#[derive(Debug, Clone, Copy)]
enum Beginning {
    Earliest,
    /// What came since then: the topic was not there.
    Since(SystemTime),
    End,
}

impl Beginning {
    /// What comes while a topic is made, and before it is looked for again, comes after the destination was there.
    fn of_a_topic_made_after(self, looked: SystemTime) -> Self {
        if let Self::End = self { Self::Since(looked) } else { self }
    }

    async fn offsets(
        self,
        broker: &dyn Broker,
        topic: &str,
        positions: &[PartitionPositions],
    ) -> Result<Vec<NextOffset>, ReadError> {
        let offsets = match self {
            Self::Earliest => positions.iter().map(|at| at.earliest).collect(),
            Self::Since(time) => broker.offsets_at(topic, milliseconds(time)).await?,
            Self::End => positions.iter().map(|at| at.end).collect(),
        };
        let place = |(at, offset): (&PartitionPositions, i64)| NextOffset { partition: at.partition, offset };
        Ok(positions.iter().zip(offsets).map(place).collect())
    }
}

impl From<Begin> for Beginning {
    fn from(begin: Begin) -> Self {
        match begin {
            Begin::Earliest => Self::Earliest,
            Begin::End => Self::End,
        }
    }
}

/// Since 1970.
fn milliseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// What stands beyond the end of its partition: it was committed of another topic of that name.
fn made_anew<'a>(
    next: &'a mut [NextOffset],
    positions: &'a [PartitionPositions],
) -> impl Iterator<Item = (&'a mut NextOffset, &'a PartitionPositions)> {
    next.iter_mut().filter_map(|next| {
        let at = positions.iter().find(|at| at.partition == next.partition)?;
        (next.offset > at.end).then_some((next, at))
    })
}

/// The topic of that name, or else of that id.
async fn topic(broker: &dyn Broker, text: &str, workspace: &str) -> Result<TopicNames, ReadError> {
    let short = text.strip_prefix(workspace).and_then(|rest| rest.strip_prefix('-'));
    for name in [Some(text), short].into_iter().flatten() {
        if broker.topic(name).await?.is_some() {
            return Ok(TopicNames { id: format!("{workspace}-{name}"), name: name.to_owned() });
        }
    }
    Err(ReadError::UnknownTopic(text.to_owned()))
}

/// Between two tries to read.
const AGAIN: Duration = Duration::from_secs(1);
