// A page that subscribes to a parameter of every stream of a topic, and prints the first two callbacks it gets.
//
// node rows.mjs --url URL --topic NAME --parameter NAME [--client signalr-6]

import { Received, connect, load, print, run, within } from "./harness.mjs";

await run(async ({ hub, client, topic, parameter }) => {
  const connection = await connect(await load(client), hub);
  const data = new Received(connection, "ParameterDataReceived");
  await within(connection.invoke("SubscribeToParameter", topic, "*", parameter), "the subscription");
  print({ subscribed: true });
  const received = await data.atLeast(2);
  await within(connection.stop(), "stop");
  return { received };
}, { parameter: { type: "string" } });
