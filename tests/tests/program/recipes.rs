//! The recipes as the program prints them. Those that run have stories of their own (`recipes`).

use std::path::Path;

use e2e::program::{failed, printed, run};

#[tokio::test(flavor = "multi_thread")]
async fn they_are_listed_and_each_is_printed_with_the_broker_in_it() {
    let listed = printed(&["recipes"], "").await;
    assert!(listed.starts_with("NAME "), "{listed}");
    let names: Vec<_> = listed.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(names.contains(&"mqtt-source") && names.contains(&"postgres-cdc"), "{listed}");
    for name in names {
        let own = printed(&["recipes", "show", name], "").await;
        let other = printed(&["recipes", "show", name, "--kafka", "kafka.example:19092"], "").await;
        // The engine of one asks the portal instead.
        assert_eq!(own.matches("127.0.0.1:9092").count(), usize::from(name != "quix-output"), "{own}");
        assert_eq!(own.replace("127.0.0.1:9092", "kafka.example:19092"), other);
        for file in ["README.md", ".env.example"] {
            let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes").join(name).join(file);
            let text = printed(&["recipes", "show", name, "--file", file], "").await;
            assert_eq!(text, std::fs::read_to_string(stored).unwrap(), "{name} {file}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_what_there_is() {
    let said = failed(&["recipes", "show", "mqtt-sink", "--file", "recipe.yaml"], "").await;
    assert_eq!(said, "recipe 'mqtt-sink' has no file 'recipe.yaml'; it has telegraf.conf, .env.example, README.md");
    for (arguments, expected) in [
        (&["recipes", "show", "mqtt-sauce"][..], "'mqtt-source'"),
        (&["recipes", "show", "mqtt-sink", "--kafka", "\"x\":9092"], "write it like 127.0.0.1:9092"),
        (&["recipes", "show", "mqtt-sink", "--kafka", "localhost"], "write it like 127.0.0.1:9092"),
    ] {
        let output = run(arguments, "").await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(expected), "{arguments:?}: {said}");
    }
}
