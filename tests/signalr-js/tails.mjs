// A page's EventSource on a topic whose connection is cut again and again: it goes on by itself, and sees each event once.
//
// node tails.mjs --url URL --topic TOPIC

import assert from "node:assert/strict";
import { createServer, connect } from "node:net";
import { chromium } from "playwright-core";
import { run, within } from "./harness.mjs";

const CUTS = 3;
const EVENTS = 40;

await run(story, { chromium: { type: "string", default: "/usr/bin/chromium" } });

async function story({ url, topic, chromium: executablePath }) {
  const proxy = await throughProxy(new URL(url));
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"], headless: true });
  try {
    const page = await browser.newPage();
    await page.goto(`${proxy.origin}/topics`);
    let written = 0;
    const write = async () => {
      const lines = Array.from({ length: EVENTS }, () => JSON.stringify({ streamId: "s", id: "e", timestamp: written++ }));
      const headers = { "Content-Type": "application/x-ndjson" };
      const answer = await fetch(new URL(`/topics/${topic}/packages`, url), { method: "POST", headers, body: lines.join("\n") });
      assert.equal(answer.status, 200);
    };
    const shown = () => page.waitForFunction((count) => window.got.length >= count, written);
    await write();
    await page.evaluate((path) => {
      window.got = [];
      window.source = new EventSource(path);
      window.source.onmessage = (event) => window.got.push(JSON.parse(event.data).timestamp);
    }, `/topics/${topic}/packages?event=e&from=earliest`);
    for (let cut = 0; cut < CUTS; cut++) {
      await within(shown(), `${written} events, and the next cut`);
      await write(); // some of these are on their way
      proxy.cut();
      await write();
    }
    await within(shown(), `${written} events`);
    const got = await page.evaluate(() => window.got);
    assert.deepEqual(got, Array.from({ length: written }, (_, number) => number), "each once, in order");
    const [first, ...rest] = proxy.lastEventIds;
    assert.equal(first, undefined);
    assert(rest.length >= CUTS && rest.every((id) => /^0:\d+/.test(id)), `ids: ${rest}`);
    return { events: got.length, cuts: rest.length };
  } finally {
    await browser.close();
    proxy.close();
  }
}

// Hands bytes on, both ways, until it cuts them off; keeps the `Last-Event-ID` of each request for packages.
async function throughProxy(target) {
  const sockets = new Set();
  const lastEventIds = [];
  const cut = () => sockets.forEach((socket) => socket.destroy());
  const listener = createServer((client) => {
    const server = connect(target.port, target.hostname);
    for (const [from, to] of [[client, server], [server, client]]) {
      sockets.add(from);
      from.on("error", () => {}).on("close", () => (sockets.delete(from), to.destroy()));
      from.pipe(to);
    }
    client.on("data", (bytes) => {
      const head = bytes.toString();
      if (/^GET \/topics\/[^/]+\/packages/.test(head)) lastEventIds.push(/^last-event-id: (.*)\r$/im.exec(head)?.[1]);
    });
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${listener.address().port}`;
  return { origin, lastEventIds, cut, close: () => (cut(), listener.close()) };
}
