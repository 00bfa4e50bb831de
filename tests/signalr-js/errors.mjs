// Wrong calls: each is refused with a text that names what was wrong, and the connection lives on.
//
// node errors.mjs --url URL [--client signalr-6] [--unknown-topic NAME]   (the last: for a server that makes no topics)

import assert from "node:assert/strict";
import { Received, connect, load, mouse, ownTopic, refused, run, within } from "./harness.mjs";

await run(
  async ({ hub, client, topic = ownTopic("errors"), "unknown-topic": unknownTopic }) => {
    const signalR = await load(client);
    const connection = await connect(signalR, hub);
    const errors = {};

    // `[what, patterns, method, ...arguments]`
    const cases = [
      ["unknown method", [/NoSuchMethod/, /does not exist/], "NoSuchMethod", 1],
      ["too few arguments", [/SendEventData/, /2 argument/, /expects 3/], "SendEventData", topic, "s"],
      ["too many arguments", [/SendEventData/, /4 argument/, /expects 3/], "SendEventData", topic, "s", [mouse(1, 1)], 4],
      ["no arguments", [/SubscribeToPackages/, /0 argument/, /expects 1/], "SubscribeToPackages"],
      ["number as topic", [/SendEventData/, /argument 1/i], "SendEventData", 17, "s", [mouse(1, 1)]],
      ["number as events", [/SendEventData/, /argument 3/i], "SendEventData", topic, "s", 17],
      ["text as timestamp", [/SendEventData/, /argument 3/i, /timestamp/], "SendEventData", topic, "s", [{ ...mouse(1, 1), timestamp: "noon" }]],
      ["null topic", [/SendEventData/, /argument 1/i], "SendEventData", null, "s", [mouse(1, 1)]],
      ["null stream", [/SendEventData/, /argument 2/i], "SendEventData", topic, null, [mouse(1, 1)]],
      ["null topic to read", [/SubscribeToPackages/, /argument 1/i], "SubscribeToPackages", null],
      ["event without id", [/SendEventData/, /`id`/], "SendEventData", topic, "s", [{ timestamp: 1, tags: {}, value: "v" }]],
      ["event without timestamp", [/SendEventData/, /`timestamp`/], "SendEventData", topic, "s", [{ id: "i", tags: {}, value: "v" }]],
    ];
    if (unknownTopic) {
      const missing = [new RegExp(unknownTopic), /does not exist/];
      cases.push(["unknown topic to write", missing, "SendEventData", unknownTopic, "s", [mouse(1, 1)]]);
      cases.push(["unknown topic to read", missing, "SubscribeToPackages", unknownTopic]);
    }
    for (const [what, patterns, method, ...values] of cases) {
      errors[what] = await refused(connection.invoke(method, ...values), what, ...patterns);
    }

    // Without an id there is nobody to answer: such a call must not end the connection either.
    await connection.send("NoSuchMethod");
    await connection.send("SendEventData", null);

    // A server that makes no topics is given one that is there; the others make their own.
    const received = new Received(connection, "PackageReceived");
    await within(connection.invoke("SubscribeToPackages", topic), "a subscription after all those");
    await within(connection.invoke("SendEventData", topic, "s", [mouse(5, 6)]), "a send after all those");
    await received.atLeast(1);
    assert.equal(received.items.length, 1, "nothing that was refused was written");
    await connection.stop();
    return { errors };
  },
  { "unknown-topic": { type: "string" } },
);
