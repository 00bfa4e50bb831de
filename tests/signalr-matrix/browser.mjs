// A cell in Chromium: a page of another origin, with the scripts a page would load, runs the same story.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { isLeftOver } from "./check.mjs";

const MODULES = ["kinds", "calls", "lives", "hubs", "check", "exchange"];
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const page = ({ module, name }) => `<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><title>matrix</title>
<script src="/signalr.js"></script><script src="/msgpack.js"></script>
<script type="module">
  import { ${name} as run } from "/${module}.mjs";
  const { MessagePackHubProtocol } = signalR.protocols.msgpack;
  const getText = async (address) => (await fetch(address)).text();
  window.runCell = ({ changes, ...cell }) => {
    const network = Object.fromEntries(changes.map((name) => [name, window[name]]));
    return run({ ...cell, signalR, MessagePackHubProtocol, getText, network }, printLine);
  };
</script>`;

// `story`: the module and the name of what is run there.
export async function inBrowser({ executablePath, story, network, ...cell }, print) {
  const here = (path) => readFile(new URL(path, import.meta.url));
  const script = (path) => ({ type: "text/javascript", body: here(path) });
  const files = {
    "/": { type: "text/html", body: page(story) },
    "/signalr.js": script(`node_modules/signalr-${cell.client}/dist/browser/signalr.js`),
    "/msgpack.js": script(`node_modules/msgpack-${cell.client}/dist/browser/signalr-protocol-msgpack.js`),
    ...Object.fromEntries(MODULES.map((name) => [`/${name}.mjs`, script(`${name}.mjs`)])),
  };
  const server = createServer(async (request, response) => {
    const file = files[request.url];
    response.writeHead(file ? 200 : 404, { "Content-Type": `${file?.type ?? "text/plain"}; charset=utf-8` });
    response.end(await file?.body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const profile = await mkdtemp(join(tmpdir(), "streamgate-matrix-"));
  const browser = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, headless: true });
  try {
    const tab = await browser.newPage();
    const thrown = new Promise((_, reject) => tab.on("pageerror", (error) => isLeftOver(error) || reject(error)));
    await tab.exposeFunction("printLine", print);
    for (const [name, change] of Object.entries(network)) await tab.exposeFunction(name, change);
    await tab.goto(`http://127.0.0.1:${server.address().port}/`);
    await tab.waitForFunction(() => window.runCell);
    await Promise.race([thrown, tab.evaluate((cell) => window.runCell(cell), { ...cell, changes: Object.keys(network) })]);
  } finally {
    await browser.close();
    server.close();
    await rm(profile, { recursive: true, force: true });
  }
}
