//! The routes below an import, as any client may use them: who claimed last writes, and rows that are stored are left out.

use e2e::program::Program;
use reqwest::Response;
use serde_json::{Value, json};

use crate::files::packages;

struct Import {
    http: reqwest::Client,
    address: String,
}

impl Import {
    fn of(program: &Program, topic: &str) -> Self {
        Self { http: reqwest::Client::new(), address: format!("{}/topics/{topic}/streams/s/imports/one", program.url) }
    }

    async fn claim(&self, place: Option<&Value>) -> Value {
        let mapping = json!({
            "delimiter": ",", "as": "json", "rows": 2,
            "columns": [{ "name": "a", "role": "number" }, { "name": "b", "role": "string" }],
        });
        let body = json!({ "mapping": mapping, "place": place });
        let response = self.http.put(&self.address).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    async fn send(&self, claim: &Value, next: Option<&str>, last: bool, piece: &'static str) -> Response {
        let claim = claim["claim"].as_str().unwrap();
        let next = next.map(|next| format!("&next={next}")).unwrap_or_default();
        let address = format!("{}?claim={claim}&last={last}{next}", self.address);
        self.http.post(address).body(piece).send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_claim_writes_nothing_and_stored_rows_are_left_out() {
    for arguments in [&[][..], &["--memory"]] {
        let program = Program::serve(arguments).await;
        let import = Import::of(&program, "t");
        let first = import.claim(None).await;
        let answer: Value = import.send(&first, None, false, "a,b\n1,x\n2,y\n3,z").await.json().await.unwrap();
        assert_eq!((&answer["consumed"], &answer["rows"]), (&json!(12), &json!(2)));
        let next = answer["next"].as_str().unwrap().to_owned();
        let more: Value = import.send(&first, Some(&next), false, "3,z\n4,\n").await.json().await.unwrap();
        assert_eq!(more["rows"], 2);

        // As if the answer to the second piece had been lost: the place of the first is what the client knows.
        let second = import.claim(Some(&answer["place"])).await;
        let late = import.send(&first, Some(&next), true, "5,never\n").await;
        assert_eq!(late.status(), 409);
        let problem: Value = late.json().await.unwrap();
        assert_eq!(problem["kind"], "NotWritten");
        let again: Value = import.send(&second, Some(&next), true, "3,z\n4,\nbad\n5,w").await.json().await.unwrap();
        assert_eq!((&again["consumed"], &again["rows"]), (&json!(14), &json!(3)));
        let rejected = json!([{ "row": 5, "line": 6, "start": 7, "end": 11, "reason": "it has 1 cell instead of 2" }]);
        assert_eq!(again["rejected"], rejected);

        let rows: Vec<_> = packages(&program.url, "t").await.iter().map(|package| package["value"].clone()).collect();
        let expected = [
            r#"{"a":1,"b":"x"}"#,
            r#"{"a":2,"b":"y"}"#,
            r#"{"a":3,"b":"z"}"#,
            r#"{"a":4,"b":null}"#,
            r#"{"a":5,"b":"w"}"#,
        ];
        assert_eq!(rows, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_import_can_be_is_refused_with_a_sentence() {
    let program = Program::serve(&[]).await;
    let import = Import::of(&program, "t");
    let put = async |body: Value| import.http.put(&import.address).json(&body).send().await.unwrap();
    let problem = async |response: Response, status: u16| -> String {
        assert_eq!(response.status(), status);
        let problem: Value = response.json().await.unwrap();
        problem["detail"].as_str().unwrap().to_owned()
    };
    assert!(problem(put(json!({})).await, 400).await.contains("missing field `mapping`"));
    let mapping = json!({ "delimiter": "|", "as": "json", "columns": [] });
    assert!(problem(put(json!({ "mapping": mapping })).await, 400).await.contains("not by '|'"));
    let claim = import.claim(None).await;
    let detail = problem(import.send(&claim, None, true, "a\n1\n").await, 400).await;
    assert_eq!(detail, "The first row has 1 cells, not the 2 of the mapping.");
    assert!(problem(import.send(&claim, Some("x"), true, "1,2\n").await, 400).await.contains("'x' is not what"));
    assert!(packages(&program.url, "t").await.is_empty());
}
