//! The portal at an address of its own: there it is and nothing else, and where the hubs are it is not.

use e2e::program::Program;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn the_portal_is_where_it_listens_and_nothing_else_is() {
    let settings = "[portal]\nlisten = \"127.0.0.1:0\"";
    let program = Program::serve_with_settings(settings, &["--kafka-listen", "127.0.0.1:0"]).await;
    let row = program.banner.lines().find_map(|line| line.trim().strip_prefix("portal "));
    let own = row.and_then(|row| row.split_whitespace().next()).expect("the banner names it").to_owned();
    let ask = async |url: &str, path: &str| {
        let answer = reqwest::get(format!("{url}{path}")).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    for path in
        ["/workspaces", "/workspaces/local/broker/librdkafka", "/workspaces/local/certificates", "/local/topics"]
    {
        let (status, body) = ask(&program.url, path).await;
        assert_eq!(status, 404, "{path}: {body}");
        let document: Value = serde_json::from_str(&body).unwrap();
        assert!(document["message"].as_str().unwrap().contains("portal.listen"), "{body}");
        let (status, body) = ask(&own, path).await;
        assert!(status == 200 || status == 204, "{path}: {status} {body}");
    }
    let (_, told) = ask(&own, "/workspaces").await;
    assert!(told.contains(&program.kafka()), "the listener for this machine is told at this one too: {told}");

    for path in ["/topics", "/hub", "/demo/", "/swagger", "/topics/t/packages", "/metrics"] {
        assert_eq!(ask(&own, path).await.0, 404, "{path}");
    }
    for url in [&own, &program.url] {
        assert_eq!(ask(url, "/health/live").await.0, 200);
    }
    assert_eq!(ask(&program.url, "/topics").await.0, 200);
}
