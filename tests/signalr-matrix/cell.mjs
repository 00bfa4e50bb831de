// One cell of the matrix: one version of the client with one transport and one encoding; a line per kind of call.
//
// node cell.mjs --url URL [--client 3|5|6|8|newest] [--transport WebSockets|ServerSentEvents|LongPolling]
//               [--protocol json|messagepack] [--browser] [--only KIND]
// prints {"kind":…,"count":…,"ok":…} per kind: count of what was checked; "reason" why it failed, or why there is nothing to check

import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { inBrowser } from "./browser.mjs";
import { isLeftOver } from "./check.mjs";
import { runKinds } from "./kinds.mjs";
import { Proxy } from "./proxy.mjs";

const { values } = parseArgs({
  options: {
    url: { type: "string" }, // the conformance server's origin
    client: { type: "string", default: "newest" },
    transport: { type: "string", default: "WebSockets" },
    protocol: { type: "string", default: "json" },
    browser: { type: "boolean", default: false },
    only: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
const { url, client, transport, protocol, only } = values;
if (!url) throw new Error("--url http://HOST:PORT is missing");

process.on("unhandledRejection", (error) => isLeftOver(error) || end(error));
const bound = setTimeout(() => end(new Error("not done after 4 minutes")), 240_000);
try {
  const proxy = await Proxy.before(url);
  const cell = { url, proxyUrl: proxy.url, client, transport, protocol, only };
  const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const network = { lose: () => proxy.lose(), back: () => proxy.back(), loseForAMoment: () => proxy.loseForAMoment() };
  const story = { module: "kinds", name: "runKinds" };
  if (values.browser) await inBrowser({ ...cell, executablePath: values.chromium, story, network }, print);
  else await inNode({ ...cell, network }, print);
  clearTimeout(bound);
  end();
} catch (error) {
  end(error);
}

async function inNode(cell, print) {
  const require = createRequire(import.meta.url);
  const { fetch } = globalThis;
  const getText = async (address) => (await fetch(address)).text();
  // It takes a global `fetch` for a browser's, and there is no `self` to bind it to.
  if (cell.client === "5") delete globalThis.fetch;
  const signalR = require(`signalr-${cell.client}`);
  const { MessagePackHubProtocol } = require(`msgpack-${cell.client}`);
  await runKinds({ ...cell, signalR, MessagePackHubProtocol, getText }, print);
}

// Connections may linger in what a version of the client left open.
function end(error) {
  if (error) process.stderr.write(`${error.stack ?? error}\n`);
  process.stdout.write("", () => process.exit(error ? 1 : 0));
}
