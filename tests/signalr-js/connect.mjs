// The page of samples in a real browser: for each language and direction it shows what the command printed, copies it, and
// refuses what would break out of its quotes.
//
// node connect.mjs --url URL --expected FILE [--screenshot FILE]
// The file is a JSON object: "LANG DIRECTION" to the program for topic `cars` and token `x.y`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { run, within } from "./harness.mjs";

await run(story, {
  chromium: { type: "string", default: "/usr/bin/chromium" },
  expected: { type: "string" },
  screenshot: { type: "string" },
});

async function story({ url, chromium: executablePath, expected: file, screenshot }) {
  const expected = JSON.parse(await readFile(file, "utf8"));
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"], headless: true });
  try {
    const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
    const page = await context.newPage();
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(new URL("/connect?topic=cars&direction=read&lang=python", url).href);
    await page.locator("#token").fill("x.y");
    await shows(page, expected["python read"]);
    if (screenshot) await page.screenshot({ path: screenshot });

    for (const [name, text] of Object.entries(expected)) {
      const [lang, direction] = name.split(" ");
      await page.locator("#lang").selectOption(lang);
      await page.locator(`input[value=${direction}]`).check();
      await shows(page, text);
    }
    await page.getByRole("button", { name: "Copy" }).click();
    await within(page.getByRole("button", { name: "Copied" }).waitFor(), "the copy");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), Object.values(expected).at(-1));

    await page.locator("#token").fill('x"; process.exit()');
    await within(page.locator("#trouble").filter({ hasText: "The token has letters" }).waitFor(), "the refusal");
    assert.equal(await page.locator("#program").textContent(), "");
    await page.locator("#token").fill("");
    await page.locator("#topic").fill("no topic");
    await within(page.locator("#trouble").filter({ hasText: "A topic has" }).waitFor(), "the refusal");
    assert.deepEqual(complaints, []);
    return { samples: Object.keys(expected).length };
  } finally {
    await browser.close();
  }
}

async function shows(page, text) {
  const shown = page.waitForFunction((text) => document.getElementById("program").textContent === text, text);
  await within(shown, "the program");
}
