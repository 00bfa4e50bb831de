// Ways to connect: with and without negotiation, every transport the server offers, with a token, and its ends.
//
// node transports.mjs --url URL [--client signalr-6] [--expect-offers WebSockets,ServerSentEvents,LongPolling]
// node transports.mjs --url URL --drain      prints {"connected":…}, then awaits the server's restart: see `drained`

import assert from "node:assert/strict";
import { Received, build, connect, load, mouse, once, ownTopic, print, run, within } from "./harness.mjs";

await run(story, { drain: { type: "boolean", default: false }, "expect-offers": { type: "string" } });

async function story({ url, hub, client, topic = ownTopic("transports"), drain, "expect-offers": expected }) {
  const signalR = await load(client);
  if (drain) return drained(signalR, hub, topic);

  const answer = await fetch(`${hub}/negotiate?negotiateVersion=1`, { method: "POST" });
  const offers = (await answer.json()).availableTransports.map(({ transport }) => transport);
  if (expected) assert.deepEqual(offers, expected.split(","), "the transports offered");

  const ways = { negotiated: {}, "with a token": { accessTokenFactory: () => "any <token>" } };
  for (const offer of offers) ways[offer] = { transport: signalR.HttpTransportType[offer] };
  ways["without negotiation"] = { skipNegotiation: true, transport: signalR.HttpTransportType.WebSockets };
  ways["without negotiation, with a token"] = { ...ways["without negotiation"], ...ways["with a token"] };
  for (const [way, options] of Object.entries(ways)) await roundTrip(signalR, hub, topic, way, options);
  await nowhere(signalR, url);
  return { offers, ways: Object.keys(ways) };
}

async function roundTrip(signalR, hub, topic, way, options) {
  const connection = await connect(signalR, hub, options);
  if (!options.skipNegotiation && connection.connectionId !== undefined) {
    assert.match(connection.connectionId, /^[\w-]{22}$/, `${way}: the connection id`);
  }
  const received = new Received(connection, "PackageReceived");
  await within(connection.invoke("SubscribeToPackages", topic), `${way}: the subscription`);
  await within(connection.invoke("SendEventData", topic, way, [mouse(1, 2)]), `${way}: the send`);
  const [first] = await received.atLeast(1);
  assert.equal(first.streamId, way);

  const closed = once((callback) => connection.onclose(callback));
  await within(connection.stop(), `${way}: stop`);
  assert.equal(await within(closed, `${way}: onclose`), undefined, `${way}: closed without an error`);
  assert.equal(connection.state, "Disconnected");
}

// No hub there: the start fails with the status, not with silence.
async function nowhere(signalR, url) {
  const connection = build(signalR, new URL("/no-such-hub", url).href);
  await assert.rejects(within(connection.start(), "the start at a wrong path to fail"), /404|Not Found/); // 3.1 knows the phrase only
}

// For a test that restarts the server: {"connected":ID} once subscribed, {"reconnecting":TEXT} when it said good-bye,
// {"reconnected":ID} when it is back; then a package makes the round again.
async function drained(signalR, hub, topic) {
  const tenPerSecond = { nextRetryDelayInMilliseconds: () => 100 };
  const connection = build(signalR, hub, {}, (builder) => builder.withAutomaticReconnect(tenPerSecond));
  const reconnecting = once((callback) => connection.onreconnecting(callback));
  const reconnected = once((callback) => connection.onreconnected(callback));
  const received = new Received(connection, "PackageReceived");
  await within(connection.start(), "the connection to start");
  await within(connection.invoke("SubscribeToPackages", topic), "the subscription");
  const first = connection.connectionId;
  print({ connected: first });

  const error = await within(reconnecting, "the server to say good-bye");
  print({ reconnecting: error?.message ?? null });
  const second = await within(reconnected, "the server to be back");
  print({ reconnected: second });
  assert.notEqual(second, first, "a new connection");

  await within(connection.invoke("SubscribeToPackages", topic), "the subscription again");
  await within(connection.invoke("SendEventData", topic, "after", [mouse(3, 4)]), "the send after the restart");
  await received.atLeast(1);
  await connection.stop();
  return { goodBye: error?.message ?? null };
}
