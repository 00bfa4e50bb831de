// The import page in a real browser: a file dropped on it, columns decided, imported; rejects listed; a token; a cancel.
//
// node import.mjs --url URL --topic TOPIC --file FILE --big FILE [--token TOKEN] [--screenshot FILE]

import assert from "node:assert/strict";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { run, within } from "./harness.mjs";

await run(story, {
  chromium: { type: "string", default: "/usr/bin/chromium" },
  file: { type: "string" },
  big: { type: "string" },
  token: { type: "string", default: "" },
  screenshot: { type: "string" },
});

async function story({ url, topic, file, big, token, screenshot, chromium: executablePath }) {
  const profile = await mkdtemp(join(tmpdir(), "streamgate-import-"));
  const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
  const browser = await chromium.launchPersistentContext(profile, { executablePath, args, headless: true, viewport: { width: 1000, height: 900 } });
  try {
    const page = await browser.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(new URL("/import", url).href);
    const imported = await importOne(page, { topic, file, token, screenshot });
    const cancelled = await cancelOne(page, { topic: `${topic}-big`, big });
    assert.deepEqual(complaints.filter((text) => !/Failed to load resource/.test(text)), []);
    return { imported, cancelled };
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
}

async function importOne(page, { topic, file, token, screenshot }) {
  await page.fill("#token", token, { force: true }).catch(() => {}); // not shown before a file is there
  await page.evaluate((token) => (document.getElementById("token").value = token), token);
  const text = (await readFile(file)).toString("base64");
  await page.evaluate((base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], "laps.csv", { type: "text/csv" }));
    document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  }, text);
  await within(page.waitForSelector("#columns tr"), "the columns");
  assert.match(await page.textContent("#trouble"), /unit of the time column is missing/);
  assert(await page.isDisabled("#start"), "nothing is imported before all is decided");
  await page.selectOption("#unit", "ms");
  await within(page.waitForFunction(() => !document.getElementById("start").disabled), "the unit to be enough");
  await page.selectOption("#columns select[aria-label=lap]", "tag");
  await within(page.waitForFunction(() => document.getElementById("first").textContent.includes('"TagValues":{"lap"')), "the tag in the preview");
  await page.fill("#topic", topic);
  await page.fill("#stream", "car-1");
  await page.click("#start");
  await within(page.waitForSelector("#state[data-state=connected]"), async () => `the end of the import (${await page.textContent("#trouble")})`);
  const rejects = await page.$$eval("#rejects tbody tr", (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
  let asked = "nothing";
  page.once("dialog", (dialog) => ((asked = dialog.message()), dialog.dismiss()));
  await page.click("#start");
  assert.match(asked, /^\d+ rows of laps\.csv are written already/, "rows are not written again unasked");
  assert.equal(await page.textContent("#state"), "imported");
  return { rows: await page.textContent("#rows"), rejects, bar: await page.$eval("#bar", (bar) => bar.value) };
}

// Chosen by the dialogue this time; cancelled as soon as rows are acknowledged.
async function cancelOne(page, { topic, big }) {
  await page.setInputFiles("#file", big);
  await within(page.waitForFunction(() => document.getElementById("name").textContent.includes("rows.csv")), "the big file");
  await within(page.waitForSelector("#columns select[aria-label=n]"), "its columns");
  await page.selectOption("#unit", "ms");
  await within(page.waitForFunction(() => !document.getElementById("start").disabled), "the unit to be enough");
  await page.fill("#topic", topic);
  await page.click("#start");
  await within(page.waitForFunction(() => document.getElementById("rows").textContent !== "0" && document.getElementById("bar").value < 1), "some rows");
  await page.context().setOffline(true);
  await within(page.waitForFunction(() => document.getElementById("state").textContent === "trying again"), "a lost connection to be seen");
  assert.match(await page.textContent("#trouble"), /^The server does not answer .* It is tried again/);
  const before = await page.textContent("#rows");
  await page.context().setOffline(false);
  await within(page.waitForFunction((before) => document.getElementById("rows").textContent !== before, before), "more rows by itself");
  assert.equal(await page.isHidden("#trouble"), true);
  await page.click("#cancel");
  await within(page.waitForFunction(() => document.getElementById("state").textContent === "cancelled"), "the cancel");
  assert.match(await page.textContent("#trouble"), /^Cancelled\. [\d,]+ rows are written/);
  return Number((await page.textContent("#rows")).replace(/,/g, ""));
}
