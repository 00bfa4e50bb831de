//! What changes in a table of PostgreSQL becomes records.

use std::collections::BTreeSet;

use e2e::program::printed;
use e2e::wait::until;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::postgres::{PASSWORD, Postgres};
use crate::topic::{held, program};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL; part of make test-long"]
async fn each_change_of_a_table_becomes_a_row_and_none_is_lost_when_the_engine_is_killed() {
    let (program, postgres) = (program().await, Postgres::start().await);
    let table = "create table parts (id int primary key, name text, price numeric(8, 2), made date, seen timestamptz)";
    postgres.query(table).await.unwrap();
    let write = async |query: &str| assert!(postgres.query(query).await.is_some(), "{query}");
    write("insert into parts values (1, 'bolt', 1.50, '2026-02-01', '2026-02-01T10:00:00Z')").await;
    let port = postgres.port();
    let place = [("PG_PORT", port.as_str()), ("PG_PASSWORD", PASSWORD), ("PG_TABLE", "parts"), ("output", "parts")];
    let mut engine = Engine::start("postgres-cdc", &program, &place).await;
    let rows = async || held(&program, "parts").await.into_iter().map(|(key, value)| (key, row(&value)));

    until("its topic", async || printed(&["topic", "list", "--url", &program.url], "").await.contains("parts")).await;
    until("what was there", async || rows().await.count() == 1).await;
    let bolt = json!({
        "id": 1, "name": "bolt", "price": 1.5, "made": "2026-02-01Z", "seen": "2026-02-01T10:00:00.000000Z",
        "__op": "r", "__deleted": "false",
    });
    assert_eq!(rows().await.collect::<Vec<_>>(), [(r#"{"id":1}"#.to_owned(), bolt)]);

    write("insert into parts values (2, 'nut')").await;
    write("update parts set price = 2 where id = 1").await;
    write("delete from parts where id = 2").await;
    until("three changes", async || rows().await.count() == 4).await;
    let seen = async || rows().await.map(|(_, row)| (row["id"].clone(), row["__op"].clone(), row["price"].clone()));
    let expected = [json!([2, "c", null]), json!([1, "u", 2.0]), json!([2, "d", null])];
    let changes: Vec<_> = seen().await.skip(1).map(|(id, op, price)| json!([id, op, price])).collect();
    assert_eq!(changes, expected);

    let made = async || {
        let ids = rows().await.filter_map(|(_, row)| row["id"].as_u64().filter(|id| *id >= 100));
        ids.collect::<BTreeSet<_>>() // one may come twice
    };
    write("insert into parts select n, 'part ' || n from generate_series(100, 30099) n").await;
    until("some of many", async || !made().await.is_empty()).await;
    engine.kill().await;
    let before = made().await.len();
    assert!(before < 30_000, "it was killed too late");
    write("insert into parts select n, 'part ' || n from generate_series(30100, 30299) n").await;
    engine.start_again().await;
    until("the others, and those made meanwhile", async || made().await.len() == 30_200).await;
    assert_eq!(made().await, (100..30_300).collect());
}

/// Without the time of the change.
fn row(value: &str) -> Value {
    let mut row: Value = serde_json::from_str(value).unwrap();
    assert!(row.as_object_mut().unwrap().remove("__ts_ms").unwrap().is_u64());
    row
}
