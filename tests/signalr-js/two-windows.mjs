// A page in two windows of a real browser: once both have subscribed, its button is clicked in one; what both show is told.
//
// node two-windows.mjs --url URL

import { chromium } from "playwright-core";
import { run, within } from "./harness.mjs";

await run(story, { chromium: { type: "string", default: "/usr/bin/chromium" } });

async function story({ url, chromium: executablePath }) {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"], headless: true });
  try {
    const windows = [await open(browser, url), await open(browser, url)];
    await windows[0].locator("button").click();
    const shown = windows.map((page) => page.locator("pre").filter({ hasText: /\S/ }));
    await Promise.all(shown.map((text, at) => within(text.waitFor(), `what window ${at} shows`)));
    return { windows: await Promise.all(shown.map((text) => text.textContent())) };
  } finally {
    await browser.close();
  }
}

async function open(browser, url) {
  const page = await browser.newPage();
  const trouble = new Promise((_, reject) => page.on("pageerror", reject));
  const completion = ({ payload }) => /"type":3/.test(payload);
  const subscribed = page.waitForEvent("websocket").then((socket) => socket.waitForEvent("framereceived", completion));
  await page.goto(url);
  await within(Promise.race([subscribed, trouble]), "the subscription");
  return page;
}
