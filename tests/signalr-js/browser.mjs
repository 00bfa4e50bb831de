// A real browser on the demo pages: draw in one page, see it in the other; the combined page; a page of another origin.
//
// node browser.mjs --url URL [--screenshot FILE] [--scheme light|dark] [--width 1280 --height 800] [--only demo] [--self-signed]

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { run, within } from "./harness.mjs";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

await run(story, {
  chromium: { type: "string", default: "/usr/bin/chromium" },
  screenshot: { type: "string" },
  scheme: { type: "string", default: "light" },
  width: { type: "string", default: "1280" },
  height: { type: "string", default: "800" },
  only: { type: "string" }, // printed, demo or foreign
  "self-signed": { type: "boolean", default: false }, // takes any certificate of an https URL
});

async function story({ url, chromium: executablePath, screenshot, scheme, width, height, only, "self-signed": selfSigned }) {
  const profile = await mkdtemp(join(tmpdir(), "streamgate-browser-"));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: FLAGS,
    ignoreHTTPSErrors: selfSigned,
    headless: true,
    colorScheme: scheme,
    viewport: { width: Number(width), height: Number(height) },
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const complaint = new Promise((_, reject) => browser.on("page", (page) => listen(page, reject)));
  try {
    return await Promise.race([complaint, stories(browser, { url, screenshot, only })]);
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
}

async function stories(browser, { url, screenshot, only }) {
  const result = {};
  if (!only || only === "printed") result.printed = await printedPages(browser, url);
  if (!only || only === "demo") result.demo = await combinedPage(browser, url, screenshot);
  if (!only || only === "foreign") result.foreign = await foreignPage(browser, url);
  return result;
}

// The first error of any page, in its console or thrown, ends the story.
function listen(page, reject) {
  page.on("pageerror", (error) => reject(new Error(`${page.url()}: ${error.message}`)));
  page.on("console", (message) => {
    if (message.type() === "error") reject(new Error(`${page.url()}: ${message.text()} (${message.location().url})`));
  });
}

// how-to-connect.md's two pages: green where the mouse was in one, red at the same places in the other.
async function printedPages(browser, url) {
  const reader = await browser.newPage();
  const subscribed = reader.waitForEvent("websocket").then((socket) => sent(socket, "framereceived", /"type":3/));
  await reader.goto(new URL("/demo/reader.html", url).href);
  await within(subscribed, "the reader page's subscription to complete");

  const writer = await browser.newPage();
  const connected = writer.waitForEvent("console", (message) => message.text() === "Connected to Quix.");
  await writer.goto(new URL("/demo/writer.html", url).href);
  await within(connected, "the writer page to connect");

  const places = [[60, 80], [140, 120], [220, 90], [300, 180], [380, 140], [450, 220]];
  for (const [x, y] of places) {
    await writer.mouse.move(x, y);
    await within(inked(writer, "#myCanvas", "green", x + 5, y + 5), `green at ${x}, ${y} in the writer page`);
    await within(inked(reader, "#myCanvas", "red", x + 5, y + 5), `red at ${x}, ${y} in the reader page`);
  }
  await reader.getByRole("button", { name: "Clear canvas" }).click();
  await reader.waitForFunction(() => !document.getElementById("myCanvas").getContext("2d").getImageData(0, 0, 500, 300).data.some(Boolean));
  await Promise.all([reader.close(), writer.close()]);
  return { places: places.length };
}

function sent(socket, event, pattern) {
  return new Promise((resolve) => socket.on(event, ({ payload }) => pattern.test(payload) && resolve()));
}

// Resolves once the canvas shows that colour at a place given in its 500 × 300 coordinates, give or take a few pixels.
function inked(page, selector, colour, x, y) {
  return page.waitForFunction(
    ([selector, colour, x, y]) => {
      const canvas = document.querySelector(selector);
      const scale = canvas.width / 500;
      const side = Math.ceil(6 * scale);
      const { data } = canvas.getContext("2d").getImageData(x * scale - side / 2, y * scale - side / 2, side, side);
      for (let i = 0; i < data.length; i += 4) {
        const [red, green, blue, alpha] = data.subarray(i, i + 4);
        const [wanted, other] = colour === "red" ? [red, green] : [green, red];
        if (alpha > 100 && wanted > 100 && wanted > 1.3 * other && wanted > 1.3 * blue) return true;
      }
      return false;
    },
    [selector, colour, x, y],
    { timeout: 60_000 },
  );
}

// The combined page: moving by itself, numbers shown, and the visitor's mouse takes over.
async function combinedPage(browser, url, screenshot) {
  const page = await browser.newPage();
  await page.goto(url);
  assert.equal(new URL(page.url()).pathname, "/demo/", "the root leads to the demo");
  for (const role of ["writer", "reader"]) {
    await within(page.waitForSelector(`#${role}-state[data-state=connected]`), `the ${role} to connect`);
  }
  const numbers = () =>
    page.evaluate(() => ["latency", "rate", "received"].map((id) => Number(document.getElementById(id).textContent.replace(/,/g, ""))));
  await within(
    page.waitForFunction(() => Number(document.getElementById("rate").textContent) > 20 && Number(document.getElementById("latency").textContent) > 0),
    async () => `the figure's rate and latency (now ${await numbers()})`,
  );
  for (const canvas of ["#writer", "#reader"]) assert((await inkOf(page, canvas)) > 500, `${canvas} shows the figure`);
  if (screenshot) await takeScreenshot(page, screenshot);

  const box = await page.locator("#writer").boundingBox();
  const at = (x, y) => [box.x + (x / 500) * box.width, box.y + (y / 300) * box.height];
  for (const x of [60, 250, 440]) {
    // Along the top, where the figure never is; anew for each, as strokes fade.
    await page.mouse.move(...at(x - 40, 15));
    await page.mouse.move(...at(x + 40, 15), { steps: 4 });
    assert.equal(await page.textContent("#hand"), "you draw");
    await within(inked(page, "#writer", "green", x, 15), `green at ${x}, 15`);
    await within(inked(page, "#reader", "red", x, 15), `red at ${x}, 15`);
  }

  await page.click("#copy");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(copied, await page.textContent("#snippet"), "the copied source");
  assert(copied.includes(new URL("/hub", url).href), "the copied source names this server");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, "no sideways scrolling");

  const [latency, rate, received] = await numbers();
  await page.close();
  return { latency, rate, received };
}

// How many pixels of the canvas are drawn on.
function inkOf(page, selector) {
  return page.evaluate((selector) => {
    const canvas = document.querySelector(selector);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let inked = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 60) inked += 1;
    return inked;
  }, selector);
}

// With a few seconds of figure on both sides.
async function takeScreenshot(page, file) {
  await page.waitForFunction(() => Number(document.getElementById("received").textContent) > 230);
  await page.screenshot({ path: file, fullPage: true });
}

// The demo's own "view source" text as a page of another origin: negotiates with credentials, so CORS has to be right.
async function foreignPage(browser, url) {
  const demo = await browser.newPage();
  await demo.goto(new URL("/demo/", url).href);
  const source = await demo.textContent("#snippet");
  await demo.close();

  const server = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(`<!DOCTYPE html><link rel="icon" href="data:,"><title>elsewhere</title><body style="height: 100vh">${source}`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const page = await browser.newPage();
    const negotiated = page.waitForResponse((response) => response.url().includes("/hub/negotiate") && response.request().method() === "POST");
    const subscribed = page.waitForEvent("websocket").then((socket) => sent(socket, "framereceived", /"type":3/));
    const origin = `http://127.0.0.1:${server.address().port}`;
    await page.goto(origin);
    const headers = await (await within(negotiated, "the negotiation across origins")).allHeaders();
    assert.equal(headers["access-control-allow-origin"], origin);
    assert.equal(headers["access-control-allow-credentials"], "true");
    await within(subscribed, "the subscription across origins");
    const seen = page.waitForEvent("console", (message) => message.text().startsWith("mouse-pos "));
    await page.mouse.move(30, 40);
    await page.mouse.move(123, 77, { steps: 4 });
    assert.match((await within(seen, "the event across origins")).text(), /^mouse-pos \{"x":\d+,"y":\d+\}$/);
    await page.close();
    return { origin: "another loopback port" };
  } finally {
    server.close();
  }
}
