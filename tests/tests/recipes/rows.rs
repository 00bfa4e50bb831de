//! Rows into a table of PostgreSQL.

use e2e::wait::until;

use crate::engine::Engine;
use crate::postgres::{PASSWORD, Postgres};
use crate::topic::{append, program};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds Telegraf; part of make test-long"]
async fn rows_become_rows_of_a_table_and_none_is_lost_when_the_database_is_away() {
    let (program, mut postgres) = (program().await, Postgres::start().await);
    let port = postgres.port();
    let place = [
        ("POSTGRES_PORT", port.as_str()),
        ("POSTGRES_PASSWORD", PASSWORD),
        ("POSTGRES_TABLE", "readings"),
        ("input", "rows"),
    ];
    append(&program, "rows", rows(0..50)).await;
    append(&program, "rows", ["no JSON", r#"[{"n": 50, "text": "x"}, {"n": 51, "position": {"x": 7}}]"#]).await;
    let _engine = Engine::start("postgres-sink", &program, &place).await;
    until("all rows", async || numbers(&postgres).await == (0..=51).collect::<Vec<_>>()).await;
    let types =
        "select column_name, data_type from information_schema.columns where table_name = 'readings' order by 1";
    let expected = ["n,double precision", "position_x,double precision", "text,text", "time,timestamp with time zone"];
    assert_eq!(postgres.query(types).await.unwrap(), expected);
    let one =
        "select n, text, position_x, time > now() - interval '10 minutes' from readings where n in (7, 51) order by n";
    assert_eq!(postgres.query(one).await.unwrap(), ["7,\"ä, \"\"7\"\"\",,t", "51,,7,t"]);

    postgres.end().await;
    append(&program, "rows", rows(52..100)).await;
    postgres.start_again().await;
    until("the rest", async || numbers(&postgres).await == (0..100).collect::<Vec<_>>()).await;
}

async fn numbers(postgres: &Postgres) -> Vec<u32> {
    let lines = postgres.query("select distinct n from readings order by n").await.unwrap_or_default();
    lines.iter().map(|line| line.parse().unwrap()).collect()
}

fn rows(numbers: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    numbers.map(|number| format!(r#"{{"n": {number}, "text": "ä, \"{number}\""}}"#))
}
