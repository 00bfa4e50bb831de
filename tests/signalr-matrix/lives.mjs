// Kinds about connections: who gets what, who is let in, how they end and come back.

import { Arrivals } from "./check.mjs";
import { calls, collected, once, unique } from "./hubs.mjs";

export async function groups(checks, hubs) {
  const [g, h] = [`g-${unique()}`, `h-${unique()}`];
  const connections = [];
  for (const path of ["/checkhub", "/checkhub", "/checkhub", `/checkhub?group=${h}`]) connections.push(await hubs.settled(checks, path));
  const [a, b, c, d] = connections;
  const arrived = connections.map((connection) => calls(checks, connection, "Got"));
  const tag = unique(); // other cells send to all as well
  const did = (connection, name, ...values) => checks.within(connection.invoke(name, ...values), name);
  await did(a, "Join", g);
  await did(b, "Join", g);
  await did(c, "ToGroup", g, `${tag} 1`); // a b
  await did(a, "ToOthersInGroup", g, `${tag} 2`); // b
  await did(c, "ToGroupExcept", g, [b.connectionId], `${tag} 3`); // a
  await did(b, "Leave", g);
  await did(b, "Leave", g);
  await did(c, "ToGroup", g, `${tag} 4`); // a
  await did(c, "ToConnection", b.connectionId, `${tag} 5`); // b
  await did(c, "ToConnections", [a.connectionId, b.connectionId], `${tag} 6`); // a b
  await did(a, "ToGroups", [g, h], `${tag} 7`); // a d
  await did(a, "ToAll", `${tag} 8`); // a b c d
  await did(a, "ToOthers", `${tag} 9`); // b c d
  await did(a, "ToAllExcept", [a.connectionId, b.connectionId], `${tag} 10`); // c d
  await did(a, "ToConnection", "nobody", `${tag} 11`);
  for (const { connectionId } of connections) await did(a, "ToConnection", connectionId, `${tag} end`);
  const wanted = [
    ["group 1", "groupExcept 3", "group 4", "connections 6", "groups 7", "all 8", "connection end"],
    ["group 1", "othersInGroup 2", "connection 5", "connections 6", "all 8", "others 9", "connection end"],
    ["all 8", "others 9", "allExcept 10", "connection end"],
    ["groups 7", "all 8", "others 9", "allExcept 10", "connection end"],
  ];
  for (const [index, name] of ["a", "b", "c", "d"].entries()) {
    const own = () => arrived[index].items.filter(([, text]) => text.startsWith(tag)).map(([kind, text]) => `${kind} ${text.slice(tag.length + 1)}`);
    await arrived[index].until(() => own().at(-1)?.endsWith("end"), () => `the last message to ${name} (so far ${own()})`);
    checks.equal(own(), wanted[index], `what ${name} got`);
  }
}

export async function users(checks, hubs) {
  const user = `user-${unique()}`;
  const token = await checks.within(hubs.getText(`${hubs.url}/generateJwtToken?user=${user}`), "a token");
  const [one, two, anonymous] = [
    await hubs.connect(checks, "/checkhub", { token }),
    await hubs.settled(checks, "/checkhub?x=1", { token }),
    await hubs.connect(checks, "/checkhub"),
  ];
  const asked = (connection, name, ...values) => checks.within(connection.invoke(name, ...values), name);
  checks.equal(await asked(one, "GetUserId"), user, "the user id");
  checks.equal(await asked(one, "OnlyUsers"), "welcome", "a method for users");
  checks.equal(await asked(anonymous, "GetUserId"), null, "no user id");
  const refusal = /Failed to invoke 'OnlyUsers' because user is unauthorized$/;
  await checks.refused(anonymous.invoke("OnlyUsers"), refusal, "a method for users, without one");
  const got = [one, two].map((connection) => calls(checks, connection, "Got"));
  await asked(anonymous, "ToUser", user, "both");
  for (const arrived of got) {
    await arrived.until((items) => items.some(([, text]) => text === "both"), "what is sent to a user");
    checks.equal(arrived.items.find(([, text]) => text === "both"), ["user", "both"], "what is sent to a user");
  }
  const authorized = await hubs.connect(checks, "/authorizedhub", { token });
  checks.equal(await asked(authorized, "Echo", "in"), "in", "a hub for users");
  await checks.refused(hubs.build("/authorizedhub").start(), /401|Unauthorized/, "a hub for users, without one");
  await checks.refused(hubs.build("/authorizedhub", { token: `${token}x` }).start(), /401|Unauthorized/, "a hub for users, with a bad token");
}

export async function close(checks, hubs) {
  const watching = await hubs.connect(checks, "/checkhub");
  const disconnects = (id) => () => watching.invoke("Disconnects", id);
  const stopping = await hubs.connect(checks, "/checkhub");
  const { connectionId } = stopping;
  checks.equal(await checks.within(watching.invoke("Disconnects", connectionId), "Disconnects"), [], "no disconnect yet");
  const stopped = once((callback) => stopping.onclose(callback));
  await checks.within(stopping.stop(), "stop");
  checks.equal((await checks.within(stopped, "onclose")) ?? null, null, "stopped without an error");
  checks.equal(stopping.state, hubs.signalR.HubConnectionState.Disconnected, "its state");
  await checks.becomes(disconnects(connectionId), [""], "the server to see that as no error");

  // The same object starts again, as another connection.
  await checks.within(stopping.start(), "the second start");
  checks.equal(stopping.connectionId !== connectionId, true, "another id");
  checks.equal(await checks.within(stopping.invoke("Add", 1, 2), "Add"), 3, "a call after the second start");

  const aborted = await hubs.connect(checks, "/checkhub", { set: (builder) => builder.withAutomaticReconnect([0, 0]) });
  let tried = false;
  aborted.onreconnecting(() => (tried = true));
  const id = aborted.connectionId;
  const gone = once((callback) => aborted.onclose(callback));
  await checks.within(aborted.send("Abort"), "Abort to be sent");
  const error = await checks.within(gone, "onclose after Abort");
  // Before 6 the end of the event stream may overtake the Close that it carried.
  const overtaken = hubs.version < 6 && hubs.transport === "ServerSentEvents" && error?.message === "Error occurred";
  checks.equal(overtaken ? null : (error?.message ?? null), null, "aborted by the server without an error");
  checks.equal(tried, false, "no reconnect, since the server did not allow it");
  await checks.becomes(disconnects(id), [""], "one disconnect of an aborted connection");

  await failing(checks, hubs, "/checkhub?fail=1", "Connection closed with an error.", "a connect handler that fails");
  const unable = "Connection closed with an error. InvalidOperationException: Unable to resolve service for type 'System.Object' while attempting to activate 'FunctionalTests.UncreatableHub'.";
  await failing(checks, hubs, "/uncreatable", unable, "a hub that cannot be made");
  await checks.refused(hubs.build("/nowhere").start(), /404|Not Found/, "no hub there");
  if (hubs.transport !== "WebSockets") return;
  await checks.refused(hubs.build("/testhub-nowebsockets").start(), /Unable to connect|disabled by the client/, "a hub without this transport");
}

// The Close comes right behind the handshake: the client may see it as the end of its start, or of its connection. With
// event streams it may even come between them, and the client's first ping finds nobody: then it is tried again.
async function failing(checks, hubs, path, text, what) {
  for (;;) {
    const connection = hubs.build(path);
    const closed = once((callback) => connection.onclose(callback));
    const error = await checks.within(connection.start().then(() => closed, (error) => error), what);
    if (hubs.transport === "ServerSentEvents" && hubs.version >= 7 && /404/.test(error?.message)) continue;
    return checks.says(error, text, what);
  }
}

// Again and again, so that how long a network is lost does not matter.
const RECONNECTING = { proxied: true, set: (builder) => builder.withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 }) };

export async function reconnect(checks, hubs) {
  const connection = hubs.build("/testhub", RECONNECTING);
  const [lost, back] = [new Arrivals(checks), new Arrivals(checks)];
  connection.onreconnecting((error) => lost.push(error));
  connection.onreconnected((id) => back.push(id));
  await checks.within(connection.start(), "the start");
  const first = connection.connectionId;

  const oversize = connection.invoke("Echo", "x".repeat(40_000)).then(() => "an answer", () => "an error");
  const [error] = await lost.some(1, "onreconnecting, for the server's Close");
  const limit =
    "Server returned an error on close: Connection closed with an error. InvalidDataException: The maximum message size of 32768B was exceeded. The message size can be configured in AddHubOptions.";
  checks.says(error, limit, "the reason to reconnect");
  checks.equal(await checks.within(oversize, "the call to end"), "an error", "a call that the end cuts off");
  const [second] = await back.some(1, "onreconnected");
  checks.equal(second !== first && second === connection.connectionId, true, "another id");
  checks.equal(await checks.within(connection.invoke("Echo", "back"), "Echo"), "back", "a call after reconnecting");

  const member = await hubs.connect(checks, "/checkhub", RECONNECTING);
  const got = calls(checks, member, "Got");
  const away = once((callback) => member.onreconnecting(callback));
  const returned = once((callback) => member.onreconnected(callback));
  const group = `r-${unique()}`;
  await checks.within(member.invoke("Join", group), "Join");

  // A browser asks once more by itself where a poll was cut off.
  await hubs.network.lose();
  await lost.some(2, "onreconnecting, for a lost network");
  await checks.within(away, "the other's onreconnecting");
  await hubs.network.back();
  const [, third] = await back.some(2, "onreconnected");
  checks.equal(third !== second && third === connection.connectionId, true, "another id again");
  checks.equal(await checks.within(connection.invoke("GetCallerConnectionId"), "GetCallerConnectionId"), third, "and the server's");

  await checks.within(returned, "the other's onreconnected");
  const sender = await hubs.connect(checks, "/checkhub");
  await checks.within(member.invoke("Nothing"), "a call after reconnecting");
  await checks.within(sender.invoke("ToGroup", group, "lost"), "ToGroup");
  await checks.within(sender.invoke("ToConnection", member.connectionId, group), "ToConnection");
  await got.until((items) => items.some(([, text]) => text === group), "a message after reconnecting");
  checks.equal(got.items.filter(([, text]) => text === "lost"), [], "groups are left behind");
}

export async function stateful(checks, hubs) {
  if (hubs.transport !== "WebSockets") return "stateful reconnect is for WebSockets";
  if (hubs.version < 8) return "clients before 8 have no stateful reconnect";
  const negotiated = await fetch(`${hubs.url}/checkhub/negotiate?negotiateVersion=1&useStatefulReconnect=true`, { method: "POST" });
  if (!(await negotiated.json()).useStatefulReconnect) return "the server does not offer stateful reconnect";

  const connection = await hubs.connect(checks, "/checkhub", { proxied: true, set: (builder) => builder.withStatefulReconnect() });
  const sender = await hubs.connect(checks, "/checkhub");
  let noticed = false;
  connection.onclose(() => (noticed = true));
  connection.onreconnecting(() => (noticed = true));
  const got = calls(checks, connection, "Got");
  const { connectionId } = connection;
  const group = `s-${unique()}`;
  await checks.within(connection.invoke("Join", group), "Join");
  const items = new Arrivals(checks);
  const ended = new Promise((resolve) => connection.stream("Counter", 300, 2).subscribe({ next: (item) => items.push(item), complete: () => resolve("the end"), error: resolve }));
  for (const count of [30, 120, 210]) {
    await items.some(count, "item");
    const waiting = connection.invoke("Wait", 50);
    await hubs.network.loseForAMoment(); // there is one attempt only
    await checks.within(sender.invoke("ToGroup", group, `after ${count}`), "ToGroup");
    await checks.within(waiting, "a call over the break");
  }
  checks.equal(await checks.within(ended, "the stream to end"), "the end", "a stream over three breaks ends well");
  checks.equal(items.items, Array.from({ length: 300 }, (_, i) => i), "each item once and in order");
  const own = () => got.items.filter(([kind]) => kind === "group"); // other cells send to all
  await got.until(() => own().length >= 3, () => `three messages to the group (so far ${own().length})`);
  checks.equal(own(), [30, 120, 210].map((count) => ["group", `after ${count}`]), "what was sent meanwhile, once");
  checks.equal(await checks.within(sender.invoke("Disconnects", connectionId), "Disconnects"), [], "the hub saw no disconnect");
  checks.equal([connection.connectionId, noticed], [connectionId, false], "nor did the page");
  checks.equal(await checks.within(collected(connection.stream("Counter", 3, 0)), "Counter"), { items: [0, 1, 2] }, "a stream after the breaks");
}
