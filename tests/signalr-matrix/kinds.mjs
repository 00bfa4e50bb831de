// The kinds of call, run one after another in a cell, each with connections of its own. Runs in node and in a browser.
//
// What the hubs do is in the specification of the test hubs; texts of errors are in §11 of the protocol's.

import { data, invoke, receive, results, send, stream, upload } from "./calls.mjs";
import { measured } from "./check.mjs";
import { Hubs } from "./hubs.mjs";
import { close, groups, reconnect, stateful, users } from "./lives.mjs";

const KINDS = { invoke, send, receive, stream, upload, results, data, groups, users, close, reconnect, stateful };
const SECONDS = 25; // for one kind

export async function runKinds({ only, ...cell }, print) {
  for (const [kind, story] of Object.entries(KINDS)) {
    if (only && only !== kind) continue;
    const hubs = new Hubs(cell);
    const run = (checks) => (hubs.impossible() ? hubs.impossible() : story(checks, hubs));
    const line = await measured(kind, SECONDS, run);
    await hubs.end();
    await print(line);
  }
}
