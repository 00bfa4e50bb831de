// What the scripts share: arguments, the client version to drive, waiting with a bound, and how a script ends.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

const OPTIONS = {
  url: { type: "string" }, // the server's origin, such as http://127.0.0.1:8080
  client: { type: "string", default: "signalr-newest" }, // an alias of package.json
  workspace: { type: "string", default: "local" },
  topic: { type: "string" },
  timeout: { type: "string", default: "180" }, // seconds for the whole script, on a busy machine
};

// The command line: the options above and `more` of the script's own.
function readArguments(more = {}) {
  const { values } = parseArgs({ options: { ...OPTIONS, ...more } });
  if (!values.url) throw new Error("--url http://HOST:PORT is missing");
  return { ...values, hub: new URL("/hub", values.url).href };
}

// Runs `story(arguments)` within its time; its result is printed as one JSON line, its failure told on stderr.
export async function run(story, more) {
  try {
    const values = readArguments(more);
    const late = () => fail(new Error(`not done after ${values.timeout} s; last waited for: ${waitingFor ?? "nothing"}`));
    const bound = setTimeout(late, Number(values.timeout) * 1000);
    const result = await story(values);
    clearTimeout(bound);
    print({ ok: true, client: values.client, ...result }, () => process.exit(0));
  } catch (error) {
    fail(error);
  }
}

export function print(value, then) {
  process.stdout.write(`${JSON.stringify(value)}\n`, then);
}

export function fail(error) {
  process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(1));
}

// The client library of that alias. Its modules are CommonJS, the newest ones under `default` only.
export async function load(client) {
  const module = await import(client);
  return module.default?.HubConnectionBuilder ? module.default : module;
}

// A connection that is not started yet. `set(builder)` may change it before it is built.
export function build(signalR, hub, options = {}, set = (builder) => builder) {
  const builder = new signalR.HubConnectionBuilder().withUrl(hub, options).configureLogging(signalR.LogLevel.None);
  return set(builder).build();
}

export async function connect(signalR, hub, options, set) {
  const connection = build(signalR, hub, options, set);
  await within(connection.start(), "the connection to start");
  return connection;
}

// An event as how-to-connect.md's writer page makes it.
export function mouse(x, y, timestamp = Date.now()) {
  return { timestamp, tags: { mousestatus: "tracking" }, id: "mouse position", value: JSON.stringify({ x, y }) };
}

// A topic of this run alone, so that runs side by side do not read each other's events.
export const ownTopic = (name) => `${name}-${process.pid}-${Date.now().toString(36)}`;

// Keeps what a callback was called with, and waits for more of it.
export class Received {
  items = [];
  #waiters = [];

  constructor(connection, callback) {
    connection.on(callback, (...values) => {
      this.items.push(values.length === 1 ? values[0] : values);
      this.#waiters = this.#waiters.filter((waiter) => !waiter());
    });
  }

  // Resolves once `count` calls have come (since the beginning).
  async atLeast(count) {
    const enough = new Promise((resolve) => {
      const waiter = () => this.items.length >= count && (resolve(), true);
      if (!waiter()) this.#waiters.push(waiter);
    });
    await within(enough, () => `${count} calls (so far ${this.items.length})`);
    return this.items;
  }
}

let waitingFor = null;

// Awaits `promise`; should the script's time run out meanwhile, `what` is named.
export async function within(promise, what) {
  const before = waitingFor;
  waitingFor = { toString: () => (typeof what === "function" ? what() : what) };
  try {
    return await promise;
  } finally {
    waitingFor = before;
  }
}

// A promise of the next call of a registering function such as `connection.onclose`.
export const once = (register) => new Promise((resolve) => register(resolve));

// Asserts that `promise` is rejected with a text that matches every pattern; returns the text.
export async function refused(promise, what, ...patterns) {
  let error;
  try {
    await within(promise, `${what} to be refused`);
  } catch (caught) {
    error = caught;
  }
  assert(error, `${what}: was accepted`);
  for (const pattern of patterns) assert.match(error.message, pattern, what);
  return error.message;
}
