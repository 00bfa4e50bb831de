// The combined page: wires two connections, two canvases, the figure, the meters and the source panel together.

import { startFigure } from "./figure.js";
import { Ink } from "./ink.js";
import { keepConnected } from "./link.js";
import { Meter } from "./meter.js";
import { copyOnClick, sourceOf } from "./snippet.js";

const TOPIC = "websocket-topic";
const hub = new URL("../hub", location.href).href;
const script = document.querySelector("script[defer]").src;
// `/demo/#token=…`: what follows the # is never sent to a server, so it reaches no log.
const token = new URLSearchParams(location.hash.slice(1)).get("token");

// Streams of this page alone, so that two windows do not draw into each other's lines.
const page = Math.random().toString(36).slice(2, 6);
const mouseStream = `mouse-pos-${page}`;
const figureStream = `figure-${page}`;

const byId = (id) => document.getElementById(id);
const colours = getComputedStyle(document.documentElement);
const lifetimeOf = (stream) => (stream.startsWith("figure-") ? 3500 : 12000);
const drawn = new Ink(byId("writer"), { lifetimeOf, colourOf: () => colours.getPropertyValue("--drawn") });
const watched = new Ink(byId("reader"), {
  lifetimeOf,
  colourOf: (stream) => (isOurs(stream) ? colours.getPropertyValue("--watched") : hueOf(stream)),
});
const meter = new Meter({ trace: byId("trace"), colour: () => colours.getPropertyValue("--watched") });
const streams = new Set();
const troubles = new Map(); // role → what is wrong with it now

const writer = keepConnected({ role: "writer", hub, token, show });
keepConnected({
  role: "reader",
  hub,
  token,
  show,
  callbacks: { PackageReceived: receive },
  onConnected: (connection) => connection.invoke("SubscribeToPackages", TOPIC),
});

function send(stream, x, y) {
  const timestamp = Date.now();
  const value = JSON.stringify({ x: tenths(x), y: tenths(y) });
  const event = { timestamp, tags: { mousestatus: "tracking" }, id: "mouse position", value };
  if (writer.invoke("SendEventData", TOPIC, stream, [event])) {
    meter.sent(stream, timestamp);
    drawn.add(stream, x, y);
  }
}

function tenths(coordinate) {
  return Math.round(coordinate * 10) / 10;
}

function receive({ streamId, value }) {
  for (const { x, y, timestamp } of positionsIn(value)) {
    meter.received(streamId, timestamp);
    watched.add(streamId, x, y);
    if (streams.size < 1000) streams.add(streamId);
  }
}

// Anybody may write anything into the topic: what is not an array of mouse positions is none of ours.
function positionsIn(value) {
  try {
    const events = JSON.parse(value).map(({ Timestamp, Value }) => ({ ...JSON.parse(Value), timestamp: Timestamp }));
    return events.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  } catch {
    return [];
  }
}

function isOurs(stream) {
  return stream === mouseStream || stream === figureStream;
}

function hueOf(stream) {
  let hash = 0;
  for (const character of stream) hash = (hash * 31 + character.codePointAt(0)) % 360;
  return `hsl(${hash} 70% 55%)`;
}

// The hand: the figure's until the visitor's pointer moves over the left canvas, and again some time after.
const figure = startFigure((x, y) => send(figureStream, x, y), { ready: () => writer.isReady() });

drawn.onPointer((x, y) => {
  figure.rest();
  send(mouseStream, x, y);
  byId("hand").textContent = "you draw";
});
figure.onReturn = () => (byId("hand").textContent = figure.paused ? "move over the canvas" : "the figure draws until you do");

byId("clear").addEventListener("click", () => [drawn, watched].forEach((ink) => ink.clear()));
byId("pause").addEventListener("click", () => setPaused(!figure.paused));

function setPaused(paused) {
  figure.paused = paused;
  byId("pause").textContent = paused ? "Start figure" : "Pause figure";
  byId("pause").setAttribute("aria-pressed", String(paused));
  figure.onReturn();
}
if (matchMedia("(prefers-reduced-motion: reduce)").matches) setPaused(true);

function show(role, state, trouble) {
  const element = byId(`${role}-state`);
  element.dataset.state = state;
  element.textContent = `${role} ${state}`;
  troubles.set(role, trouble);
  const first = [...troubles.values()].find(Boolean);
  const [title, advice] = byId("trouble").children;
  byId("trouble").hidden = !first;
  // Written only when it changes: a screen reader says it each time.
  if (title.textContent !== (first?.title ?? "")) title.textContent = first?.title ?? "";
  if (advice.textContent !== (first?.advice ?? "")) advice.textContent = first?.advice ?? "";
}

// The command's own default needs no mention.
if (location.origin !== "http://localhost:8080" && location.origin !== "http://127.0.0.1:8080") {
  byId("tail").textContent += ` --url ${location.origin}`;
}
byId("snippet").textContent = sourceOf({ hub, script, topic: TOPIC, token });
copyOnClick(byId("copy"), byId("snippet"));
copyOnClick(byId("copy-tail"), byId("tail"));

setInterval(() => {
  const { latency, rate, received } = meter.read();
  byId("latency").textContent = latency === null ? "–" : latency.toFixed(latency < 10 ? 1 : 0);
  byId("rate").textContent = rate.toFixed(0);
  byId("received").textContent = received.toLocaleString("en");
  byId("streams").textContent = streams.size === 1 ? "1 stream" : `${streams.size} streams`;
}, 500);
