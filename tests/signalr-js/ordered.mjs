// Sends without awaiting, 2,000 on one connection: all are completed, and a reader sees them in the order sent.
//
// node ordered.mjs --url URL [--client signalr-6] [--count 2000]

import assert from "node:assert/strict";
import { Received, connect, load, ownTopic, run, within } from "./harness.mjs";

await run(
  async ({ hub, client, topic = ownTopic("ordered"), count: text }) => {
    const count = Number(text);
    const signalR = await load(client);
    const reader = await connect(signalR, hub);
    const received = new Received(reader, "PackageReceived");
    await within(reader.invoke("SubscribeToPackages", topic), "the subscription");

    const writer = await connect(signalR, hub);
    let completed = 0;
    const calls = Array.from({ length: count }, (_, number) => {
      const event = { timestamp: number, tags: {}, id: "number", value: String(number) };
      return writer.invoke("SendEventData", topic, "one-stream", [event]).then(() => (completed += 1));
    });
    await within(Promise.all(calls), () => `${count} completions (so far ${completed})`);

    const numbers = (await received.atLeast(count)).map(({ value }) => Number(JSON.parse(value)[0].Value));
    const expected = Array.from({ length: count }, (_, number) => number);
    const wrong = numbers.findIndex((number, index) => number !== expected[index]);
    assert.equal(wrong, -1, `at position ${wrong} came ${numbers[wrong]}`);
    assert.equal(numbers.length, count, "nothing came twice");
    await Promise.all([reader.stop(), writer.stop()]);
    return { count };
  },
  { count: { type: "string", default: "2000" } },
);
