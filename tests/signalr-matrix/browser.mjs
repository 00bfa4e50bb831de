// A cell in Chromium: a page of another origin, with the scripts a page would load, runs the same kinds.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { isLeftOver } from "./check.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const PAGE = `<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,"><title>matrix</title>
<script src="/signalr.js"></script><script src="/msgpack.js"></script>
<script type="module">
  import { runKinds } from "/kinds.mjs";
  const { MessagePackHubProtocol } = signalR.protocols.msgpack;
  const network = { lose, back, loseForAMoment };
  const getText = async (address) => (await fetch(address)).text();
  window.runCell = (cell) => runKinds({ ...cell, signalR, MessagePackHubProtocol, getText, network }, printLine);
</script>`;

export async function inBrowser({ executablePath, network, ...cell }, print) {
  const here = (path) => readFile(new URL(path, import.meta.url));
  const script = (path) => ({ type: "text/javascript", body: here(path) });
  const files = {
    "/": { type: "text/html", body: PAGE },
    "/signalr.js": script(`node_modules/signalr-${cell.client}/dist/browser/signalr.js`),
    "/msgpack.js": script(`node_modules/msgpack-${cell.client}/dist/browser/signalr-protocol-msgpack.js`),
    ...Object.fromEntries(["kinds", "calls", "lives", "hubs", "check"].map((name) => [`/${name}.mjs`, script(`${name}.mjs`)])),
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
    const page = await browser.newPage();
    const thrown = new Promise((_, reject) => page.on("pageerror", (error) => isLeftOver(error) || reject(error)));
    await page.exposeFunction("printLine", print);
    for (const [name, change] of Object.entries(network)) await page.exposeFunction(name, change);
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction(() => window.runCell);
    await Promise.race([thrown, page.evaluate((cell) => window.runCell(cell), cell)]);
  } finally {
    await browser.close();
    server.close();
    await rm(profile, { recursive: true, force: true });
  }
}
