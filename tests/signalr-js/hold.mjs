// Many sends in flight at once, for a test that holds the acknowledgements back meanwhile.
//
// node hold.mjs --url URL [--client signalr-6] [--count 2000]
// prints {"fired":COUNT}, then {"completed":n} as they come, at most one line per turn of the event loop, then the result

import { connect, load, ownTopic, print, run, within } from "./harness.mjs";

await run(
  async ({ hub, client, topic = ownTopic("hold"), count: text }) => {
    const count = Number(text);
    const signalR = await load(client);
    const connection = await connect(signalR, hub);
    const progress = { completed: 0, told: 0 };
    const tell = () => {
      if (progress.told === progress.completed) return;
      progress.told = progress.completed;
      print({ completed: progress.completed });
    };
    const calls = Array.from({ length: count }, async (_, number) => {
      const event = { timestamp: number, tags: {}, id: "number", value: String(number) };
      await connection.invoke("SendEventData", topic, "one-stream", [event]);
      progress.completed += 1;
      setImmediate(tell);
    });
    print({ fired: count });
    await within(Promise.all(calls), () => `${count} completions (so far ${progress.completed})`);
    tell();
    await connection.stop();
    return { completed: progress.completed };
  },
  { count: { type: "string", default: "2000" } },
);
