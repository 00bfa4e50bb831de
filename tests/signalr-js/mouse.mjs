// The mouse page's exchange: one connection writes, others read by name and by id; what arrives is what was sent.
//
// node mouse.mjs --url URL [--client signalr-6] [--workspace local] [--topic NAME]

import assert from "node:assert/strict";
import { Received, connect, load, mouse, once, ownTopic, refused, run, within } from "./harness.mjs";

await run(async ({ hub, client, workspace, topic = ownTopic("mouse") }) => {
  const signalR = await load(client);
  const topicId = `${workspace}-${topic}`;
  const writer = await connect(signalR, hub);

  // Callbacks may be registered before the connection starts, and, as the printed page does, after it has subscribed.
  const byName = await connect(signalR, hub);
  const names = new Received(byName, "PackageReceived");
  await within(byName.invoke("SubscribeToPackages", topic), "the subscription by name");
  const byId = await connect(signalR, hub);
  await within(byId.invoke("SubscribeToPackages", topicId), "the subscription by id");
  const ids = new Received(byId, "PackageReceived");

  const before = Date.now();
  const sent = [mouse(12, 34), mouse(500, 300), mouse(0, 0, 1)];
  await within(writer.invoke("SendEventData", topic, "mouse-pos", [sent[0]]), "the first send");
  await within(writer.invoke("SendEventData", topicId, "mouse-pos", [sent[1]]), "the send by id");
  await within(writer.invoke("SendEventData", topic, "mouse-pos", [sent[2]]), "the third send");

  for (const received of [names, ids]) {
    const packages = await received.atLeast(sent.length);
    packages.forEach((each, index) => check(each, sent[index], { topic, topicId, before }));
  }

  // Unsubscribed is silent: the other subscription's package is the sign that this one's would have come.
  await within(byName.invoke("UnsubscribeFromPackages", topic), "unsubscribing");
  await within(writer.invoke("SendEventData", topic, "mouse-pos", [mouse(1, 2)]), "the send after unsubscribing");
  await ids.atLeast(sent.length + 1);
  await refused(byName.invoke("NoSuchMethod"), "an unknown method"); // an answer: what came before it has been delivered
  assert.equal(names.items.length, sent.length, "no package after unsubscribing");

  for (const connection of [writer, byName, byId]) {
    const closed = once((callback) => connection.onclose(callback));
    await within(connection.stop(), "stop");
    assert.equal(await within(closed, "onclose"), undefined, "closed without an error");
  }
  return { topic, packages: names.items.length + ids.items.length };
});

function check(received, sent, { topic, topicId, before }) {
  assert.equal(received.topicId, topicId);
  assert.equal(received.topicName, topic);
  assert.equal(received.streamId, "mouse-pos");
  assert.equal(received.type, "QuixStreams.Telemetry.Models.EventDataRaw[]");
  assert.equal(typeof received.value, "string", "value is a text");
  assert.deepEqual(JSON.parse(received.value), [
    { Timestamp: sent.timestamp, Tags: sent.tags, Id: sent.id, Value: sent.value },
  ]);
  assert.match(received.dateTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  const age = new Date(received.dateTime) - before;
  assert(Math.abs(age) < 60_000, `dateTime ${received.dateTime} is the broker's time of the message`);
}
