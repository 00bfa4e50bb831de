//! Methods that send, each to another choice of clients, and the groups some of them need.

use signalr_server::{Caller, ConnectionId, Hub, HubError, Target};

pub(super) fn methods(hub: Hub) -> Hub {
    let hub = hub
        .method("Join", |caller: Caller, (group,): (String,)| async move {
            caller.groups().add(caller.connection_id(), &group)
        })
        .method("Leave", |caller: Caller, (group,): (String,)| async move {
            caller.groups().remove(caller.connection_id(), &group)
        })
        .pipelined_method("Flood", flood);
    to_groups(to_connections(hub))
}

fn to_connections(hub: Hub) -> Hub {
    hub.method("ToAll", |caller: Caller, (text,): (String,)| got(caller.clients().all(), "all", text))
        .method("ToOthers", |caller: Caller, (text,): (String,)| got(caller.others(), "others", text))
        .method("ToAllExcept", |caller: Caller, (ids, text): (Vec<String>, String)| {
            got(caller.clients().all_except(&known(&ids)), "allExcept", text)
        })
        .method("ToConnection", |caller: Caller, (id, text): (String, String)| {
            got(caller.clients().connections(&known(&[id])), "connection", text)
        })
        .method("ToConnections", |caller: Caller, (ids, text): (Vec<String>, String)| {
            got(caller.clients().connections(&known(&ids)), "connections", text)
        })
        .method("ToUser", |caller: Caller, (user, text): (String, String)| {
            got(caller.clients().user(&user), "user", text)
        })
}

fn to_groups(hub: Hub) -> Hub {
    hub.method("ToGroup", |caller: Caller, (group, text): (String, String)| {
        got(caller.clients().group(&group), "group", text)
    })
    .method("ToGroups", |caller: Caller, (groups, text): (Vec<String>, String)| {
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        got(caller.clients().groups(&groups), "groups", text)
    })
    .method("ToGroupExcept", |caller: Caller, (group, ids, text): (String, Vec<String>, String)| {
        got(caller.clients().group_except(&group, &known(&ids)), "groupExcept", text)
    })
    .method("ToOthersInGroup", |caller: Caller, (group, text): (String, String)| {
        got(caller.others_in_group(&group), "othersInGroup", text)
    })
}

/// Tells clients how they were chosen.
async fn got(target: Target, kind: &'static str, text: String) -> Result<(), HubError> {
    Ok(target.send("Got", &(kind, text)).await?)
}

/// Those that can be names of connections; others name nobody.
fn known(ids: &[String]) -> Vec<ConnectionId> {
    ids.iter().filter_map(|id| ConnectionId::parse(id)).collect()
}

/// Sends as much as the caller takes, which may call others meanwhile.
async fn flood(
    caller: Caller,
    (count, size): (i32, usize),
) -> Result<impl Future<Output = Result<i32, HubError>>, HubError> {
    Ok(async move {
        let text = "x".repeat(size);
        for index in 0..count {
            caller.itself().send_paced("Flood", &(index, &text)).await?;
        }
        Ok(count)
    })
}
