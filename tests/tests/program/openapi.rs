//! The API page and its document, and schemathesis, which tries what the document allows and what it does not.

use std::time::Duration;

use e2e::program::Program;
use e2e::python::Python;
use reqwest::Method;
use serde_json::Value;

use crate::http::send;
use crate::support::{packages, problem};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_stands_where_quix_has_it_and_all_that_it_asks_for_is_there() {
    let program = Program::serve(&["--memory"]).await;
    let get = async |path: &str| send(Method::GET, &format!("{}{path}", program.url), &[], "").await;
    for (path, to) in [("/swagger", "swagger/index.html"), ("/swagger/", "index.html")] {
        let answer = get(path).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (307, to));
    }
    let page = get("/swagger/index.html").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let page = page.text().await.unwrap();
    let named = page.split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css"));
    let files: Vec<_> = named.map(|file| file.trim_start_matches("./")).collect();
    assert!(files.contains(&"swagger-initializer.js") && files.contains(&"swagger-ui-bundle.js"), "{page}");
    for file in files {
        let answer = get(&format!("/swagger/{file}")).await;
        assert_eq!(answer.status(), 200, "{file}");
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("text/"), "{file}: {kind}");
        let text = answer.text().await.unwrap();
        if file == "swagger-initializer.js" {
            assert!(text.contains("v1/swagger.json") && !text.contains("petstore"), "{text}");
        }
    }
    problem(get("/swagger/nowhere.js").await, 404).await;
    problem(get("/swagger/../../etc/passwd").await, 404).await;

    let document: Value = get("/swagger/v1/swagger.json").await.json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    let close = &document["paths"]["/topics/{topic}/streams/{streamId}/close"]["post"];
    assert_eq!(close["tags"][0], "Writer");
    assert!(document["components"]["schemas"]["ParameterData"]["properties"]["tagValues"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_server_error_and_no_undocumented_answer() {
    let program = Program::serve(&["--memory"]).await;
    let python = Python::schemathesis().await;
    let output = python.run("check.py", &[&program.url], Duration::from_secs(600)).await;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("16 selected / 16 total"), "{said}");
    let stored = packages(&program.url, "t").await.len();
    assert!(stored > 50, "only {stored} of its calls wrote something: {said}");
}
