//! Results that the server asks of clients.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use signalr_server::{Caller, ConnectionId, Hub, HubError, InvokeError, Options};
use tokio::sync::Semaphore;

use crate::common::{Client, DETAILS, Server, Wire, on_every_wire, soon, until, with_details};

on_every_wire!(
    a_client_is_asked_and_answers,
    a_method_that_asks_its_own_caller_gives_its_slot_back,
    failures_read_as_those_of_the_original,
    a_disconnect_fails_what_is_awaited_before_the_hub_is_told,
    many_questions_are_answered_in_any_order,
);

async fn a_client_is_asked_and_answers(wire: Wire) {
    let asking = Asking::default();
    let server = Server::start_with(wire, asking.hub(), Options::default()).await;
    let (mut asked, mut asker) = (server.connect().await, server.connect().await);
    let id = asked.invoke("Id", json!([])).await.unwrap();
    for number in 1..=3 {
        asker.call("1", "Ask", json!([id, "how many?"])).await;
        let question = asked.next().await;
        assert_eq!(
            question,
            json!({"type": 1, "invocationId": format!("s{number}"), "target": "Question", "arguments": ["how many?"]})
        );
        // Answers of others, and to what was not asked, are nobody's.
        answer(&mut asker, &question, json!({"result": "forged"})).await;
        for id in ["s99", "s", "x", "s01", "s+1"] {
            asked.send(&json!({"type": 3, "invocationId": id, "result": "stray"})).await;
        }
        answer(&mut asked, &question, json!({"result": {"n": number}})).await;
        assert_eq!(asker.next().await, json!({"type": 3, "invocationId": "1", "result": {"n": number}}));
        answer(&mut asked, &question, json!({"result": "twice"})).await;
        asked.assert_silent().await;
    }
    assert_eq!(server.metric("client_results"), 0);
}

async fn a_method_that_asks_its_own_caller_gives_its_slot_back(wire: Wire) {
    let options = Options { max_calls_in_flight: 1, ..Options::default() };
    for target in ["AskMe", "AskMeWhenAdmitted", "AskMeLate"] {
        let asking = Asking::default();
        let server = Server::start_with(wire, asking.hub(), options.clone()).await;
        let mut client = server.connect().await;
        client.call("1", target, json!([])).await;
        // In front of the answer, and in need of a slot.
        client.call("2", "Plain", json!([])).await;
        asking.gate.add_permits(usize::from(target != "AskMe"));
        let mut messages = [client.next().await, client.next().await];
        messages.sort_by_key(|message| message["type"].as_u64());
        assert_eq!(messages[1], json!({"type": 3, "invocationId": "2", "result": null}), "{target}");
        answer(&mut client, &messages[0], json!({"result": 5})).await;
        assert_eq!(client.next().await, json!({"type": 3, "invocationId": "1", "result": 5}), "{target}");
        // The slot was given back once: of two that hold one, one waits for the other.
        client.call("3", "Hold", json!([])).await;
        client.call("4", "Plain", json!([])).await;
        client.stream("5", "None", json!([])).await;
        asking.gate.add_permits(1);
        let ids = [client.next().await, client.next().await, client.next().await].map(|m| m["invocationId"].clone());
        assert_eq!(ids.iter().position(|id| id == "3"), ids.iter().position(|id| id == "4").map(|at| at - 1));
        assert_eq!(server.hub.calls_in_flight(), 0);
    }
}

async fn failures_read_as_those_of_the_original(wire: Wire) {
    let asking = Asking::default();
    let server = Server::start_with(wire, asking.hub(), Options::default()).await;
    let (mut asked, mut asker) = (server.connect().await, server.connect().await);
    let id = asked.invoke("Id", json!([])).await.unwrap();
    let rows = [
        (json!({"error": "Client didn't provide a result."}), "Client didn't provide a result.".to_owned()),
        (json!({}), "The client completed the invocation without a result.".to_owned()),
        (
            json!({"result": "five"}),
            "Error trying to deserialize result to Int32. invalid type: string \"five\", expected i32".to_owned(),
        ),
    ];
    for (reply, text) in rows {
        asker.call("1", "AskNumber", json!([id])).await;
        let question = asked.next().await;
        answer(&mut asked, &question, reply).await;
        assert_eq!(asker.next().await["result"], text);
    }
    let nobody = "A".repeat(22);
    assert_eq!(asker.invoke("AskNumber", json!([nobody])).await, Ok(json!("NotFound")));
    asker.call("1", "AskNumber", json!([id])).await;
    asked.next().await;
    drop(asked);
    assert_eq!(asker.next().await["result"], format!("Connection '{}' disconnected.", id.as_str().unwrap()));
    assert_eq!(server.metric("client_results"), 0);
}

async fn a_disconnect_fails_what_is_awaited_before_the_hub_is_told(wire: Wire) {
    let asking = Asking::default();
    let journal = asking.journal.clone();
    let hub = asking.hub().on_disconnected(move |caller, _| {
        let journal = journal.clone();
        async move {
            let outside_failed = async {
                while journal.lock().unwrap().is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            soon("the failure of what was awaited before", outside_failed).await;
            let again = caller.itself().invoke::<i32>("Question", &()).await.unwrap_err();
            journal.lock().unwrap().push(format!("in the handler: {again}"));
        }
    });
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = server.connect().await;
    let id = client.invoke("Id", json!([])).await.unwrap().as_str().unwrap().to_owned();
    let handle = asking.ids.lock().unwrap()[0];
    let clients = server.hub.clients();
    let (journal, asker) = (asking.journal.clone(), clients.connection(handle));
    let outside = tokio::spawn(async move {
        let error = asker.invoke::<i32>("Question", &()).await.unwrap_err();
        journal.lock().unwrap().push(format!("outside: {error}"));
    });
    assert_eq!(client.next().await["invocationId"], "s1");
    client.call("1", "AskMe", json!([])).await;
    assert_eq!(client.next().await["invocationId"], "s2");
    assert_eq!(server.metric("client_results"), 2);
    drop(client);
    soon("an end", outside).await.unwrap();
    until("it is gone", || server.metric("connections") == 0).await;
    let mut journal = asking.journal.lock().unwrap().clone();
    journal.sort();
    let gone = format!("Connection '{id}' disconnected.");
    assert_eq!(journal, [format!("in the handler: {gone}"), format!("outside: {gone}")]);
    let late = clients.connection(handle).invoke::<i32>("Question", &()).await.unwrap_err();
    assert_eq!(late.to_string(), format!("Connection '{id}' does not exist."));
    assert_eq!((server.metric("client_results"), server.hub.calls_in_flight()), (0, 0));
}

async fn many_questions_are_answered_in_any_order(wire: Wire) {
    const QUESTIONS: usize = 100;
    let asking = Asking::default();
    let server = Server::start_with(wire, asking.hub(), Options::default()).await;
    let mut client = server.connect().await;
    for number in 0..QUESTIONS {
        client.call(&number.to_string(), "AskBack", json!([number])).await;
    }
    let mut questions = Vec::new();
    for _ in 0..QUESTIONS {
        questions.push(client.next().await);
    }
    client.call("more", "AskBack", json!([0])).await;
    assert_eq!(
        client.next().await["error"],
        "An unexpected error occurred invoking 'AskBack' on the server.",
        "so many may be awaited at once"
    );
    assert_eq!(server.metric("limit_hits_total{limit=\"pending_client_results\"}"), 1);
    for question in questions.iter().rev() {
        answer(&mut client, question, json!({"result": question["arguments"][0]})).await;
    }
    for number in (0..QUESTIONS).rev() {
        assert_eq!(client.next().await, json!({"type": 3, "invocationId": number.to_string(), "result": number}));
    }
}

#[tokio::test]
async fn a_question_that_is_dropped_ignores_the_answer() {
    let asking = Asking::default();
    let options = Options { max_pending_client_results: 1, ..Options::default() };
    let server = Server::start_with(Wire::Own, asking.hub(), options).await;
    let mut client = server.connect().await;
    client.invoke("Id", json!([])).await.unwrap();
    let id = asking.ids.lock().unwrap()[0];
    let asker = server.hub.clients().connection(id);
    let waiting = tokio::spawn(async move { asker.invoke::<i32>("Question", &()).await });
    let question = client.next().await;
    waiting.abort();
    until("it is forgotten", || server.metric("client_results") == 0).await;
    let asker = server.hub.clients().connection(id);
    let waiting = tokio::spawn(async move { asker.invoke::<i32>("Question", &()).await });
    let next = client.next().await;
    assert_eq!(next["invocationId"], "s2", "no id twice");
    answer(&mut client, &question, json!({"result": 1})).await;
    answer(&mut client, &next, json!({"result": 2})).await;
    assert_eq!(soon("an answer", waiting).await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn the_connected_handler_cannot_ask() {
    let hub = Hub::new()
        .on_connected(|caller: Caller| async move {
            let error = caller.itself().invoke::<i32>("Question", &()).await.unwrap_err();
            assert!(matches!(error, InvokeError::InConnectedHandler));
            Ok(caller.itself().send("Refused", &(error.to_string(),)).await?)
        })
        .method("Plain", |_: Caller, (): ()| async { Ok(()) });
    let server = Server::start(hub).await;
    let mut client = server.connect().await;
    assert_eq!(
        client.next_call().await,
        ("Refused".into(), json!(["Client results inside the connected handler are not allowed."]))
    );
    assert_eq!(client.invoke("Plain", json!([])).await, Ok(Value::Null));
}

/// By a method that has no words of its own for it: what the client said is told, what the server knows only with details.
#[tokio::test]
async fn who_called_reads_why_a_client_gave_no_result() {
    const PREFIX: &str = "An unexpected error occurred invoking";
    for (detail, told) in DETAILS {
        let server = Server::start_with(Wire::Own, Asking::default().hub(), with_details(detail)).await;
        let mut client = server.connect().await;
        let rows = [
            (
                json!({"result": "five"}),
                "Error trying to deserialize result to Int32. invalid type: string \"five\", expected i32",
            ),
            (json!({"error": "not now"}), "not now"),
            (json!({}), "The client completed the invocation without a result."),
        ];
        for (reply, text) in rows {
            client.call("1", "AskMe", json!([])).await;
            let question = client.next().await;
            answer(&mut client, &question, reply).await;
            assert_eq!(client.next().await["error"], format!("{PREFIX} 'AskMe' on the server. HubException: {text}"));
        }
        let nobody = "A".repeat(22);
        let more = if told { format!(" IOException: Connection '{nobody}' does not exist.") } else { String::new() };
        let error = client.invoke("Ask", json!([nobody, ""])).await.unwrap_err();
        assert_eq!(error, format!("{PREFIX} 'Ask' on the server.{more}"));
    }
}

#[tokio::test]
async fn calls_that_wait_for_other_clients_are_bounded() {
    let asking = Asking::default();
    let options = Options { max_pending_client_results: 2, ..Options::default() };
    let server = Server::start_with(Wire::Own, asking.hub(), options).await;
    let mut asker = server.connect().await;
    let mut asked = Vec::new();
    for number in 0..3 {
        let mut client = server.connect().await;
        let id = client.invoke("Id", json!([])).await.unwrap();
        asked.push(client);
        asker.call(&number.to_string(), "Ask", json!([id, ""])).await;
    }
    let refused = asker.next().await;
    assert_eq!(
        refused,
        json!({"type": 3, "invocationId": "2", "error": "An unexpected error occurred invoking 'Ask' on the server. \
            HubException: Too many calls wait for results of clients."})
    );
    until("two wait", || server.metric("client_results") == 2).await;
    for (number, client) in asked.iter_mut().enumerate().take(2) {
        let question = client.next().await;
        answer(client, &question, json!({"result": number})).await;
        assert_eq!(asker.next().await["result"], number);
    }
}

async fn answer(client: &mut Client, question: &Value, reply: Value) {
    let mut completion = json!({"type": 3, "invocationId": question["invocationId"]});
    for (member, value) in reply.as_object().unwrap() {
        completion[member] = value.clone();
    }
    client.send(&completion).await;
}

/// Methods that ask clients.
struct Asking {
    gate: Arc<Semaphore>,
    ids: Arc<Mutex<Vec<ConnectionId>>>,
    journal: Arc<Mutex<Vec<String>>>,
}

impl Default for Asking {
    fn default() -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ids: Arc::default(), journal: Arc::default() }
    }
}

impl Asking {
    fn hub(&self) -> Hub {
        let ids = self.ids.clone();
        let [hold, admitted, late] = [self.gate.clone(), self.gate.clone(), self.gate.clone()];
        Hub::new()
            .method("Plain", |_: Caller, (): ()| async { Ok(()) })
            .method("Id", move |caller: Caller, (): ()| {
                let id = caller.connection_id();
                ids.lock().unwrap().push(id);
                async move { Ok(id.to_string()) }
            })
            .method("Ask", |caller: Caller, (id, text): (ConnectionId, String)| {
                let target = caller.clients().connection(id);
                async move { Ok(target.invoke::<Value>("Question", &(text,)).await?) }
            })
            .method("AskNumber", |caller: Caller, (id,): (ConnectionId,)| {
                let target = caller.clients().connection(id);
                async move {
                    Ok::<_, HubError>(match target.invoke::<i32>("Question", &()).await {
                        Ok(number) => number.to_string(),
                        Err(InvokeError::NotFound(_)) => "NotFound".into(),
                        Err(error) => error.to_string(),
                    })
                }
            })
            .method("AskBack", |caller: Caller, (number,): (usize,)| async move {
                Ok(caller.itself().invoke::<usize>("Question", &(number,)).await?)
            })
            .method("AskMe", |caller: Caller, (): ()| async move {
                Ok(caller.itself().invoke::<i32>("Question", &()).await?)
            })
            .pipelined_method("AskMeWhenAdmitted", move |caller: Caller, (): ()| {
                let gate = admitted.clone();
                async move {
                    Ok(async move {
                        gate.acquire().await.unwrap().forget();
                        Ok(caller.itself().invoke::<i32>("Question", &()).await?)
                    })
                }
            })
            .pipelined_method("AskMeLate", move |caller: Caller, (): ()| {
                let gate = late.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    let answer = caller.itself().invoke::<i32>("Question", &()).await?;
                    Ok(async move { Ok(answer) })
                }
            })
            .method("Hold", move |_: Caller, (): ()| {
                let gate = hold.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    Ok(())
                }
            })
    }
}
