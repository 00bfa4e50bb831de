//! The server is killed (-9) and stopped at random instants, also while it starts, under load through both doors.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use e2e::program::printed;
use e2e::wait::own_topic;

use crate::dice::Dice;
use crate::kafka_writer::PARTITIONS;
use crate::load::Load;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_under_load_loses_doubles_and_reorders_nothing_acknowledged() {
    let rounds = std::env::var("STREAMGATE_TEST_ROUNDS").map_or(10, |rounds| rounds.parse().expect("a number"));
    let mut dice = Dice::new();
    let mut server = Server::new(&SMALL_LOG);
    let mut starting = server.start().await;
    let topic = own_topic("kills");
    let partitions = PARTITIONS.to_string();
    printed(&["topic", "create", &topic, "--partitions", &partitions, "--url", &server.url()], "").await;
    let first_segments = segments(server.data());
    let load = Load::start(&server, &topic, &mut dice);

    let mut recoveries = Vec::new();
    for round in 1..=rounds {
        load.goes_on("before the end").await;
        tokio::time::sleep(dice.duration_below(LONGEST_ROUND)).await; // the instant is what is random
        let end = End::of_round(round);
        let ended = end.come(&mut server, &mut dice, starting).await;
        starting = server.start().await;
        let listening = ended.elapsed();
        let acknowledged = load.reader.acknowledgement_after(ended).await - ended;
        eprintln!("round {round}: {end:?}: listening after {listening:.0?}, acknowledged after {acknowledged:.0?}");
        recoveries.push((listening, acknowledged));
    }
    load.goes_on("after the last start").await;
    let begun = Instant::now();
    while !segments(server.data()).is_disjoint(&first_segments) {
        assert!(begun.elapsed() < FILLING, "retention has not deleted segments");
        load.goes_on("before retention deletes segments").await;
    }
    load.verdict(&server, &topic).await;
    let (listening, acknowledged): (Vec<_>, Vec<_>) = recoveries.into_iter().unzip();
    eprintln!("{rounds} ends: listening {}, acknowledged {}", spread(listening), spread(acknowledged));
}

/// How the server ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Killed,
    /// And again while it starts.
    KilledAndWhileStarting,
    Stopped,
    KilledWhileStopping,
}

impl End {
    fn of_round(round: u64) -> Self {
        match round % 10 {
            2 | 6 | 9 => Self::KilledAndWhileStarting,
            4 => Self::Stopped,
            8 => Self::KilledWhileStopping,
            _ => Self::Killed,
        }
    }

    /// Brings it about; since when the server is gone. A start takes about `starting`.
    async fn come(self, server: &mut Server, dice: &mut Dice, starting: Duration) -> Instant {
        let mut ended = Instant::now();
        match self {
            Self::Killed => server.kill().await,
            Self::KilledAndWhileStarting => {
                server.kill().await;
                for _ in 0..=dice.below(3) {
                    server.start_and_kill(dice.duration_below(starting.mul_f32(1.5))).await;
                }
                ended = Instant::now();
            }
            Self::Stopped => {
                server.terminate().await;
                ended = Instant::now();
            }
            Self::KilledWhileStopping => {
                server.terminate_and_kill(dice.duration_below(Duration::from_millis(300))).await;
                ended = Instant::now();
            }
        }
        ended
    }
}

fn segments(data: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(data).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    files.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".log")).collect()
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    format!("after {:.0?} (median), {:.0?} (worst)", times[times.len() / 2], times[times.len() - 1])
}

/// So small that segments are begun and deleted between the kills, and under them.
const SMALL_LOG: [(&str, &str); 2] =
    [("STREAMGATE_LOG__SEGMENT_SIZE", "1MiB"), ("STREAMGATE_LOG__RETENTION_BYTES", "12MiB")];
/// What a busy machine may take to write so much.
const FILLING: Duration = Duration::from_secs(600);
const LONGEST_ROUND: Duration = Duration::from_secs(1);
