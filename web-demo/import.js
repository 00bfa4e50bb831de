// The import page: asks the server what the columns of a file are, lets a person decide, and sends the file piece by piece.
// The server says how far it read each piece, so rows are cut nowhere; after any doubt the import is claimed anew, by which
// the server finds out which rows it has, and the same piece goes again.

const SAMPLE_BYTES = 1 << 20;
const PIECE_BYTES = 1 << 20; // at least four of the longest rows
const SHOWN_REJECTS = 200;
const ROLES = [["time", "the time"], ["tag", "a tag"], ["number", "numbers"], ["string", "texts"], ["skip", "left out"]];

const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

let file = null;
let sample = null; // { bytes, whole }
let mapping = null;
let cancelled = null; // an AbortController while an import runs
const written = new Map(); // rows, by the file and the stream that has them

// --- choosing a file ---

const drop = byId("drop");
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => (event.preventDefault(), drop.classList.add("over")));
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
});
byId("file").addEventListener("change", (event) => event.target.files.length && choose(event.target.files[0]));

async function choose(chosen) {
  if (cancelled) return;
  file = chosen;
  mapping = null;
  byId("name").textContent = `${file.name}, ${number.format(file.size)} bytes`;
  byId("work").hidden = true;
  byId("form").hidden = false;
  try {
    sample = await readSample();
    await preview({});
  } catch (error) {
    trouble(error.message);
  }
}

async function readSample() {
  const reader = (await contents()).getReader();
  const parts = [];
  let length = 0;
  let whole = false;
  while (length < SAMPLE_BYTES && !whole) {
    const { done, value } = await reader.read();
    whole = done;
    if (value) length += parts[parts.push(value) - 1].length;
  }
  reader.cancel().catch(() => {});
  return { bytes: await new Blob(parts).arrayBuffer(), whole };
}

// The file's bytes, unpacked if it is gzip, which its first bytes tell. `count` gets the length of each part, packed as it is.
async function contents(count = () => {}) {
  const magic = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const packed = magic[0] === 0x1f && magic[1] === 0x8b;
  const counted = new TransformStream({ transform: (part, out) => (count(part.length), out.enqueue(part)) });
  const stream = file.stream().pipeThrough(counted);
  return packed ? stream.pipeThrough(new DecompressionStream("gzip")) : stream;
}

// --- what the columns are ---

// The server decides what was not chosen.
async function preview(choices) {
  trouble("");
  const query = new URLSearchParams({ choices: JSON.stringify(choices), whole: sample.whole });
  const answer = await call("POST", `/import/preview?${query}`, sample.bytes);
  mapping = answer.mapping;
  byId("looked").textContent = `by its first ${number.format(answer.rows)} rows`;
  byId("as").value = mapping.as;
  byId("unit").value = mapping.unit ?? "";
  if (!mapping.unit && answer.likelyUnit) byId("unit").options[0].textContent = `choose… likely ${answer.likelyUnit}`;
  byId("columns").replaceChildren(...mapping.columns.map(columnRow));
  byId("preview").hidden = !answer.first;
  byId("first").textContent = answer.first ?? "";
  if (answer.problem) trouble(sentence(answer.problem));
  else if (answer.rejected.length) {
    const [first] = answer.rejected;
    trouble(`${answer.rejected.length} of the first rows will not be written; line ${first.line}: ${first.reason}.`);
  }
  byId("start").disabled = Boolean(answer.problem);
  state("idle", answer.problem ? "something to choose" : "ready");
}

function columnRow(column) {
  const select = document.createElement("select");
  select.ariaLabel = column.name;
  select.append(...ROLES.map(([value, text]) => new Option(text, value, false, value === column.role)));
  select.addEventListener("change", () => {
    if (select.value === "time") for (const other of mapping.columns) if (other.role === "time") other.role = "string";
    column.role = select.value;
    chooseAgain();
  });
  const row = document.createElement("tr");
  row.append(document.createElement("td"), document.createElement("td"));
  row.cells[0].textContent = column.name;
  row.cells[1].append(select);
  return row;
}

byId("as").addEventListener("change", chooseAgain);
byId("unit").addEventListener("change", chooseAgain);

// Numbers are found out each time: what a column of numbers may hold depends on what rows become.
function chooseAgain() {
  const called = (role) => mapping.columns.filter((column) => column.role === role).map((column) => column.name);
  const choices = { delimiter: mapping.delimiter, as: byId("as").value, tags: called("tag"), strings: called("string"), skip: called("skip") };
  if (called("time").length) choices.time = called("time")[0];
  if (byId("unit").value) choices.unit = byId("unit").value;
  const numbers = called("number");
  preview(choices)
    .then(() => {
      const lost = mapping.columns.filter((column) => numbers.includes(column.name) && column.role === "string");
      if (lost.length) trouble(`'${lost[0].name}' is not only numbers, or has some with more digits than a parameter keeps; it stays text.`);
    })
    .catch((error) => trouble(error.message));
}

// --- the import ---

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (cancelled || !mapping) return;
  const rows = written.get(aim());
  if (rows && !confirm(`${number.format(rows)} rows of ${file.name} are written already. Write them again?`)) return;
  importFile();
});
byId("cancel").addEventListener("click", () => cancelled?.abort());
window.addEventListener("beforeunload", (event) => cancelled && event.preventDefault());

const aim = () => JSON.stringify([file.name, file.size, file.lastModified, byId("topic").value, byId("stream").value]);

async function importFile() {
  cancelled = new AbortController();
  const begun = performance.now();
  const done = { bytes: 0, rows: 0, rejected: 0 };
  for (const field of byId("form").elements) field.disabled = field.id !== "cancel";
  byId("cancel").hidden = false;
  byId("work").hidden = false;
  byId("rejects").tBodies[0].replaceChildren();
  byId("rejects").hidden = byId("more").hidden = true;
  trouble("");
  state("connecting", "importing");
  try {
    await sendAll(new Import(), (answer, share) => {
      done.rows += answer.rows;
      done.rejected += answer.rejected.length;
      show(done, share, (performance.now() - begun) / 1000);
      listRejects(answer.rejected, done.rejected);
    });
    state("connected", "imported");
    byId("eta").textContent = `done in ${((performance.now() - begun) / 1000).toFixed(1)} s`;
  } catch (error) {
    const why = cancelled.signal.aborted ? "Cancelled." : error.message;
    trouble(`${why} ${number.format(done.rows)} rows are written; to import the file again would write them again.`);
    state("waiting", cancelled.signal.aborted ? "cancelled" : "not finished");
  } finally {
    cancelled = null;
    if (done.rows) written.set(aim(), done.rows);
    for (const field of byId("form").elements) field.disabled = false;
    byId("cancel").hidden = true;
  }
}

// Sends the file from its first byte to its last; no more than two pieces of it are held.
async function sendAll(target, tell) {
  let read = 0;
  const reader = (await contents((bytes) => (read += bytes))).getReader();
  let held = new Uint8Array();
  let ended = false;
  try {
    for (;;) {
      while (!ended && held.length < PIECE_BYTES) {
        const { done, value } = await reader.read();
        ended = done;
        if (value) held = joined(held, value);
      }
      const answer = await target.send(held, ended);
      const finished = ended && answer.consumed === held.length;
      held = held.slice(answer.consumed);
      tell(answer, finished ? 1 : Math.min(0.99, read / file.size));
      if (finished) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

class Import {
  #path = ["topics", byId("topic").value, "streams", byId("stream").value, "imports", crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`]
    .map(encodeURIComponent)
    .join("/");
  #place = null;
  #claim = null;
  #next = null;

  // Sends a piece until it is acknowledged, however long the server is away: whoever looks at the page can cancel.
  async send(piece, last) {
    for (let pause = 100; ; pause = Math.min(2 * pause, 5000)) {
      try {
        const answer = await this.#try(piece, last);
        this.#next = answer.next;
        this.#place = answer.place ?? this.#place;
        state("connecting", "importing");
        trouble("");
        return answer;
      } catch (error) {
        this.#claim = null;
        if (cancelled.signal.aborted || !error.mayPass) throw error;
        state("waiting", "trying again");
        trouble(`${error.message} It is tried again; nothing is lost or doubled by that.`);
        await pauseFor(pause, cancelled.signal);
      }
    }
  }

  async #try(piece, last) {
    if (!this.#claim) {
      const body = JSON.stringify(this.#place ? { mapping, place: this.#place } : { mapping });
      const answer = await call("PUT", `/${this.#path}`, body);
      this.#claim = answer.claim;
      this.#place = answer.place;
    }
    const query = new URLSearchParams({ claim: this.#claim, last });
    if (this.#next) query.set("next", this.#next);
    return call("POST", `/${this.#path}?${query}`, piece);
  }
}

// Rejects at once when it is cancelled.
function pauseFor(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", settle);
      signal.aborted ? reject(signal.reason) : resolve();
    };
    const timer = setTimeout(settle, milliseconds);
    signal.addEventListener("abort", settle);
  });
}

async function call(method, path, body) {
  const token = byId("token").value;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal: cancelled?.signal });
  } catch (error) {
    throw Object.assign(new Error(`The server does not answer (${error.message}).`), { mayPass: true });
  }
  if (response.ok) return response.json();
  if (response.status === 401) throw new Error("The server wants a token, or another one.");
  const problem = await response.json().catch(() => ({}));
  const mayPass = [408, 409, 429].includes(response.status) || response.status >= 500;
  throw Object.assign(new Error(problem.detail ?? `The server answers ${response.status}.`), { mayPass });
}

// --- what is shown ---

function show(done, share, seconds) {
  byId("bar").value = share;
  byId("rows").textContent = number.format(done.rows);
  byId("rate").textContent = number.format(Math.round(done.rows / Math.max(seconds, 0.001)));
  byId("count").textContent = number.format(done.rejected);
  byId("eta").textContent = share > 0 && share < 1 ? `${Math.round(share * 100)} %, ${Math.ceil((seconds / share) * (1 - share))} s left` : "";
}

function listRejects(rejected, total) {
  const body = byId("rejects").tBodies[0];
  for (const { line, reason } of rejected.slice(0, SHOWN_REJECTS - body.rows.length)) {
    const row = body.insertRow();
    row.insertCell().textContent = number.format(line);
    row.insertCell().textContent = reason;
  }
  byId("rejects").hidden = body.rows.length === 0;
  byId("more").hidden = total <= body.rows.length;
  byId("more").textContent = `and ${number.format(total - body.rows.length)} more`;
}

function state(kind, text) {
  byId("state").dataset.state = kind;
  byId("state").textContent = text;
}

function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
