// Steady load for tests that kill things: numbered events through any failure, until standard input closes.
//
// node mouse-load.mjs --url URL --topic NAME --mode writer|reader [--stream NAME] [--in-flight 50] [--timeout 600]
// writer: {"connected":ID}, {"acknowledged":n}, {"failed":n,"error":TEXT}, {"disconnected":TEXT}
// reader: {"connected":ID}, {"subscribed":ID}, {"received":n,"stream":NAME}, {"disconnected":TEXT}
// A failed number is never sent again: its outcome is the server's to tell. Both end with {"ok":true,…}.

import { build, load, print, run, within } from "./harness.mjs";

await run(story, {
  mode: { type: "string" },
  stream: { type: "string", default: "load" },
  "in-flight": { type: "string", default: "50" },
  timeout: { type: "string", default: "600" },
});

async function story({ hub, client, topic, mode, stream, "in-flight": limit }) {
  if (!topic || !["writer", "reader"].includes(mode)) throw new Error("--topic NAME and --mode writer|reader are needed");
  const signalR = await load(client);
  const link = { signalR, hub, topic, stream, limit: Number(limit), stopped: false };
  const stop = new Promise((resolve) => process.stdin.once("end", resolve).once("close", resolve).resume()).then(() => {
    link.stopped = true;
  });
  return mode === "writer" ? write(link, stop) : read(link, stop);
}

async function write(link, stop) {
  const counts = { sent: 0, acknowledged: 0, failed: 0 };
  while (!link.stopped) {
    const { connection, ended } = await persist(link);
    if (!connection) break;
    print({ connected: connection.connectionId ?? null });
    let open = true;
    ended.then(() => (open = false));
    const lanes = Array.from({ length: link.limit }, async () => {
      while (open && !link.stopped) await send(connection, link, counts);
    });
    await Promise.race([ended, stop]);
    await within(Promise.all(lanes), "the answers of the last calls");
    await connection.stop();
  }
  return counts;
}

async function send(connection, { topic, stream }, counts) {
  const number = counts.sent++;
  const event = { timestamp: number, tags: {}, id: "number", value: String(number) };
  try {
    await connection.invoke("SendEventData", topic, stream, [event]);
    counts.acknowledged += 1;
    print({ acknowledged: number });
  } catch (error) {
    counts.failed += 1;
    print({ failed: number, error: error.message });
  }
}

async function read(link, stop) {
  let received = 0;
  while (!link.stopped) {
    const { connection, ended } = await persist(link, (connection) =>
      connection.on("PackageReceived", ({ streamId, value }) => {
        for (const { Value } of JSON.parse(value)) {
          received += 1;
          print({ received: Number(Value), stream: streamId });
        }
      }),
    );
    if (!connection) break;
    print({ connected: connection.connectionId ?? null });
    try {
      await connection.invoke("SubscribeToPackages", link.topic);
      print({ subscribed: connection.connectionId ?? null });
      await Promise.race([ended, stop]);
    } catch (error) {
      print({ disconnected: error.message });
    }
    await connection.stop();
  }
  return { received };
}

// Tries until a connection stands (or the input has closed); `ended` resolves when it is lost.
async function persist(link, prepare = () => {}) {
  for (let pause = 20; ; pause = Math.min(2 * pause, 500)) {
    if (link.stopped) return {};
    const connection = build(link.signalR, link.hub);
    prepare(connection);
    const ended = new Promise((resolve) =>
      connection.onclose((error) => {
        if (error) print({ disconnected: error.message });
        resolve();
      }),
    );
    try {
      await connection.start();
      return { connection, ended };
    } catch (error) {
      print({ disconnected: error.message });
      await new Promise((resolve) => setTimeout(resolve, pause)); // the back-off of a client, not a wait for the server
    }
  }
}
