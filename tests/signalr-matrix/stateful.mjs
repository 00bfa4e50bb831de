// Stateful reconnect at length: numbers each way while the websocket is cut again and again.
//
// node stateful.mjs --url URL --seed NUMBER [--client 8|newest] [--protocol json|messagepack] [--browser] [--count N] [--cuts N]
// prints one line: the cuts, at which of the server's numbers they were, and what came again for them

import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { inBrowser } from "./browser.mjs";
import { Cutter } from "./cutter.mjs";
import { Dice } from "./dice.mjs";
import { runExchange } from "./exchange.mjs";

const { values } = parseArgs({
  options: {
    url: { type: "string" }, // the conformance server's origin
    seed: { type: "string" },
    client: { type: "string", default: "newest" },
    protocol: { type: "string", default: "json" },
    browser: { type: "boolean", default: false },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    count: { type: "string", default: "10000" }, // at least; a multiple of 500
    cuts: { type: "string", default: "20" },
  },
});
const { url, seed, client, protocol } = values;
if (!url || !seed) throw new Error("--url http://HOST:PORT or --seed NUMBER is missing");
const [count, cuts] = [Number(values.count), Number(values.cuts)];

const dice = new Dice(Number(seed));
const cutter = await Cutter.before(url, dice);
// One in each part of the run.
const part = Math.floor(count / cuts);
const moments = Array.from({ length: cuts }, (_, index) => index * part + dice.below(part));
const network = { cut: () => cutter.cut() };
const cell = { url, proxyUrl: cutter.url, client, transport: "WebSockets", protocol, count, moments, network };

if (values.browser) {
  const story = { module: "exchange", name: "runExchange" };
  await inBrowser({ ...cell, executablePath: values.chromium, story }, print);
} else {
  const require = createRequire(import.meta.url);
  const { MessagePackHubProtocol } = require(`msgpack-${client}`);
  await runExchange({ ...cell, signalR: require(`signalr-${client}`), MessagePackHubProtocol }, print);
}
process.stdout.write("", () => process.exit());

function print({ ok, reason, ...seen }) {
  if (!ok) process.stderr.write(`with seed ${seed}, after ${cutter.cuts.length} cuts: ${reason}\n`);
  process.exitCode = ok ? 0 : 1;
  const ways = {};
  for (const way of cutter.cuts) ways[way] = (ways[way] ?? 0) + 1;
  process.stdout.write(`${JSON.stringify({ cuts: cutter.cuts.length, ways, ...seen })}\n`);
}
