// Tokens as pages give them: in the query where browsers cannot set headers, in headers elsewhere; refused ones, and one
// that ends while connected.
//
// node tokens.mjs --url URL --token GOOD --refused BAD --short ENDING-SOON [--client signalr-3]

import assert from "node:assert/strict";
import { Received, build, connect, load, mouse, once, ownTopic, run, within } from "./harness.mjs";

await run(story, { token: { type: "string" }, refused: { type: "string" }, short: { type: "string" } });

async function story({ hub, client, topic = ownTopic("tokens"), token, refused, short }) {
  const signalR = await load(client);
  const given = (text) => ({ accessTokenFactory: () => text });
  const { WebSockets, ServerSentEvents, LongPolling } = signalR.HttpTransportType;
  const ways = { negotiated: given(token), query: {} };
  for (const [name, transport] of Object.entries({ WebSockets, ServerSentEvents, LongPolling })) {
    ways[name] = { ...given(token), transport };
  }
  ways["without negotiation"] = { ...given(token), transport: WebSockets, skipNegotiation: true };
  for (const [way, options] of Object.entries(ways)) {
    const address = way === "query" ? `${hub}?access_token=${encodeURIComponent(token)}` : hub;
    await roundTrip(signalR, address, topic, way, options);
  }
  for (const options of [{}, given(refused)]) {
    // 3.1 knows the phrase only.
    await assert.rejects(within(build(signalR, hub, options).start(), "the refusal"), /401|Unauthorized/);
  }
  return { ways: Object.keys(ways), ended: await ended(signalR, hub, topic, short, token) };
}

async function roundTrip(signalR, hub, topic, way, options) {
  const connection = await connect(signalR, hub, options);
  const received = new Received(connection, "PackageReceived");
  await within(connection.invoke("SubscribeToPackages", topic), `${way}: the subscription`);
  await within(connection.invoke("SendEventData", topic, way, [mouse(1, 2)]), `${way}: the send`);
  const [first] = await received.atLeast(1);
  assert.equal(first.streamId, way);
  await within(connection.stop(), `${way}: stop`);
}

// The token ends; the client comes back by itself with the next one.
async function ended(signalR, hub, topic, short, token) {
  const tokens = [short, short];
  const options = { accessTokenFactory: () => tokens.shift() ?? token };
  const connection = build(signalR, hub, options, (builder) => builder.withAutomaticReconnect([0, 50, 100]));
  const reconnecting = once((callback) => connection.onreconnecting(callback));
  const reconnected = once((callback) => connection.onreconnected(callback));
  await within(connection.start(), "the start with a token that ends soon");
  const error = await within(reconnecting, "the end of the token");
  tokens.length = 0;
  await within(reconnected, "the client to be back");
  await within(connection.invoke("SubscribeToPackages", topic), "the subscription with another token");
  await connection.stop();
  return error?.message ?? null;
}
