//! Who is sent to and who may call: targets from a caller's view, several groups, and methods for known users only.

use serde_json::{Value, json};
use signalr_server::{Caller, ConnectionId, Hub, Options};

use crate::common::{DETAILS, Server, Wire, on_every_wire, with_details};

on_every_wire!(a_caller_reaches_all_it_can_name,);

async fn a_caller_reaches_all_it_can_name(wire: Wire) {
    let server = Server::start_with(wire, naming(), Options::default()).await;
    let mut clients = [server.connect().await, server.connect().await, server.connect().await];
    let mut ids = Vec::new();
    for client in &mut clients {
        ids.push(client.invoke("Id", json!([])).await.unwrap());
    }
    for (client, groups) in [(0, vec!["g", "h"]), (1, vec!["g"]), (2, vec!["h"])] {
        for group in groups {
            clients[client].invoke("Join", json!([group])).await.unwrap();
        }
    }
    let rows = [
        ("itself", json!([]), vec![0]),
        ("others", json!([]), vec![1, 2]),
        ("othersInGroup", json!("g"), vec![1]),
        ("groups", json!(["g", "h", "none"]), vec![0, 1, 2]),
        ("connection", ids[1].clone(), vec![1]),
        ("user", json!("nobody"), vec![]),
    ];
    for (kind, to, members) in rows {
        clients[0].tell("To", json!([kind, to])).await;
        for member in members {
            assert_eq!(clients[member].next_call().await, ("Got".into(), json!([kind])), "{kind} {member}");
        }
        // The caller's answer comes behind its sends; by then all others have theirs.
        clients[0].assert_silent().await;
        clients[1].assert_silent().await;
        clients[2].assert_silent().await;
    }
}

#[tokio::test]
async fn a_method_for_known_users_refuses_others() {
    for (detail, _) in DETAILS {
        let hub = naming().require("SECRET", |user| user.is_some()).require("Numbers", |user| user.is_some());
        let server = Server::start_with(Wire::Own, hub, with_details(detail)).await;
        let mut client = server.connect().await;
        for arguments in [json!([]), json!(["too many"])] {
            assert_eq!(
                client.invoke("secret", arguments).await,
                Err("Failed to invoke 'secret' because user is unauthorized".into())
            );
        }
        client.stream("1", "Numbers", json!([])).await;
        let text = "Failed to invoke 'Numbers' because user is unauthorized";
        assert_eq!(client.items_of("1").await, (vec![], Some(text.into())));
        client.tell("secret", json!([])).await;
        client.assert_silent().await;
        assert_eq!(server.metric("invocations_total{method=\"Secret\",outcome=\"error\"}"), 3);
    }
}

#[test]
#[should_panic(expected = "there is no hub method 'Misspelt' to restrict")]
fn a_restriction_names_a_method() {
    let _ = naming().require("Misspelt", |_| true);
}

fn naming() -> Hub {
    Hub::new()
        .method("Secret", |_: Caller, (): ()| async { Ok(1) })
        .stream_method("Numbers", |_: Caller, (): ()| async { Ok(futures::stream::iter([Ok(1)])) })
        .method("Id", |caller: Caller, (): ()| async move { Ok(caller.connection_id()) })
        .method("Join", |caller: Caller, (group,): (String,)| async move {
            caller.groups().add(caller.connection_id(), &group)
        })
        .method("To", |caller: Caller, (kind, to): (String, Value)| async move {
            let clients = caller.clients();
            let text = to.as_str().unwrap_or_default();
            let list: Vec<&str> = to.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let target = match &*kind {
                "itself" => caller.itself().into(),
                "others" => caller.others(),
                "othersInGroup" => caller.others_in_group(text),
                "groups" => clients.groups(&list),
                "connection" => clients.connection(ConnectionId::parse(text).unwrap()).into(),
                "user" => clients.user(text),
                other => panic!("{other}"),
            };
            Ok(target.send("Got", &(kind,)).await?)
        })
}
