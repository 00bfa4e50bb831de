// Expectations that count themselves, and waiting with a bound. Runs in node and in a browser, so it imports nothing.

// What a kind of call has shown so far; `waitingFor` is named when its time runs out.
export class Checks {
  count = 0;
  waitingFor = "nothing";

  // Both are compared by content; bytes and dates are those whatever class carries them.
  equal(actual, expected, what) {
    const [got, wanted] = [shown(actual), shown(expected)];
    if (got !== wanted) throw new Error(`${what}: expected ${clipped(wanted)}, got ${clipped(got)}`);
    this.count += 1;
  }

  // `text` has to be in it, or to match.
  says(error, text, what) {
    const said = String(error?.message ?? error);
    const fits = text instanceof RegExp ? text.test(said) : said.includes(text);
    if (!fits) throw new Error(`${what}: expected ${text}, got ${JSON.stringify(said)}`);
    this.count += 1;
  }

  async refused(promise, text, what) {
    const error = await this.within(promise.then(() => null, (error) => error ?? new Error("no error")), `${what} to be refused`);
    if (!error) throw new Error(`${what}: was not refused`);
    this.says(error, text, what);
    return error;
  }

  async within(promise, what) {
    this.waitingFor = what;
    return promise;
  }

  // Asks until the answer is the expected one; the kind's own time bounds it.
  async becomes(ask, expected, what) {
    this.waitingFor = what;
    while (shown(await ask()) !== shown(expected)) await new Promise((resolve) => setTimeout(resolve, 20));
    this.count += 1;
  }
}

// Runs a kind within its time. The line to print for it.
export async function measured(kind, seconds, story) {
  const checks = new Checks();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${seconds} s; waited for ${checks.waitingFor}`)), seconds * 1000);
  });
  try {
    const reason = await Promise.race([late, story(checks)]);
    return reason ? { kind, count: 0, ok: true, reason } : { kind, count: checks.count, ok: true };
  } catch (error) {
    return { kind, count: checks.count, ok: false, reason: String(error?.message ?? error) };
  } finally {
    clearTimeout(timer);
  }
}

// The client sends the items of an upload one after another, and rejects the rest with nobody to hear of it when its
// connection stops in between: it is not connected any more, or the server does not know it.
export const isLeftOver = (error) => /Cannot send data if the connection is not in the 'Connected' State|Not Found|'404'/.test(error?.message);

// A list that can be waited for.
export class Arrivals {
  items = [];
  #checks;
  #waiters = [];

  constructor(checks) {
    this.#checks = checks;
  }

  push(item) {
    this.items.push(item);
    this.#waiters = this.#waiters.filter((waiter) => !waiter());
  }

  async some(count, what) {
    await this.until((items) => items.length >= count, () => `${count} × ${what} (so far ${this.items.length})`);
    return this.items;
  }

  until(holds, what) {
    this.#checks.waitingFor = { toString: () => (typeof what === "function" ? what() : what) };
    return new Promise((resolve) => {
      const waiter = () => holds(this.items) && (resolve(), true);
      if (!waiter()) this.#waiters.push(waiter);
    });
  }
}

function shown(value) {
  return JSON.stringify(plain(value)) ?? "nothing";
}

function plain(value) {
  if (value instanceof Date) return { date: value.getTime() };
  if (ArrayBuffer.isView(value)) return { bytes: Array.from(value) };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, plain(value[key])]));
}

const clipped = (text) => (text.length > 300 ? `${text.slice(0, 300)}… (${text.length} characters)` : text);
