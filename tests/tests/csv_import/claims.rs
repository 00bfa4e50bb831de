//! The routes below an import, as any client may use them: who claimed last writes, and rows that are stored are left out.

use e2e::program::Program;
use reqwest::Response;
use serde_json::{Value, json};

use crate::files::packages;

/// An import as a client of its own would do it.
#[derive(Clone)]
pub struct Import {
    http: reqwest::Client,
    address: String,
}

impl Import {
    fn of(program: &Program, topic: &str) -> Self {
        Self::at(&program.url, topic)
    }

    pub fn at(url: &str, topic: &str) -> Self {
        Self { http: reqwest::Client::new(), address: format!("{url}/topics/{topic}/streams/s/imports/one") }
    }

    pub async fn claim(&self, place: Option<&Value>) -> Value {
        let response = self.try_claim(place).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    pub async fn try_claim(&self, place: Option<&Value>) -> Response {
        let mapping = json!({
            "delimiter": ",", "as": "json", "rows": 2,
            "columns": [{ "name": "a", "role": "number" }, { "name": "b", "role": "string" }],
        });
        let body = json!({ "mapping": mapping, "place": place });
        self.http.put(&self.address).json(&body).send().await.unwrap()
    }

    pub async fn send(&self, claim: &Value, next: Option<&str>, last: bool, piece: &'static str) -> Response {
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
async fn rows_stored_before_those_in_front_of_them_are_not_forgotten() {
    let program = Program::serve(&[]).await;
    let import = Import::of(&program, "t");
    // As if the record of rows 1 and 2 had failed, and the one of rows 3 and 4 had not.
    let first = import.claim(None).await;
    let ahead: Value = import.send(&first, Some("2.4"), false, "3,z\n4,\n").await.json().await.unwrap();
    assert_eq!(ahead["rows"], 2);

    // The pieces are cut between them this time, and whoever sends them is cut off there.
    let second = import.claim(Some(&first["place"])).await;
    let answer: Value = import.send(&second, None, false, "a,b\n1,x\n2,y\n").await.json().await.unwrap();
    let place = Some(&answer["place"]).filter(|place| !place.is_null()).unwrap_or(&second["place"]);
    let third = import.claim(Some(place)).await;
    let next = answer["next"].as_str();
    let rest: Value = import.send(&third, next, true, "3,z\n4,\n5,w\n").await.json().await.unwrap();
    assert_eq!(rest["rows"], 3);
    assert!(rest["place"].is_object(), "nothing stored lies behind row 5");
    assert_eq!(rows(&program, "t").await, ["3", "4", "1", "2", "5"]);
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

/// The column `a` of all rows, in the order of the topic.
async fn rows(program: &Program, topic: &str) -> Vec<String> {
    let value = |package: &Value| -> Value { serde_json::from_str(package["value"].as_str().unwrap()).unwrap() };
    packages(&program.url, topic).await.iter().map(|package| value(package)["a"].to_string()).collect()
}
