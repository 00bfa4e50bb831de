// Latency and rate of what comes back, measured with this page's own clock.

const LATENCY_WINDOW_MS = 5000;
const RATE_WINDOW_MS = 2000;
const MAX_AWAITED = 2000;

export class Meter {
  #awaited = new Map(); // stream and timestamp of an event sent → when, to a fraction of a millisecond
  #latencies = []; // { at, ms }
  #arrivals = []; // times
  #received = 0;
  #trace;
  #colour;

  constructor({ trace, colour }) {
    this.#trace = trace;
    this.#colour = colour;
  }

  sent(stream, timestamp) {
    this.#awaited.set(`${stream} ${timestamp}`, performance.now());
    if (this.#awaited.size > MAX_AWAITED) this.#awaited.delete(this.#awaited.keys().next().value);
  }

  // Events of other pages count for the rate only: their clocks are not ours.
  received(stream, timestamp) {
    const at = performance.now();
    this.#received += 1;
    this.#arrivals.push(at);
    const key = `${stream} ${timestamp}`;
    const sentAt = this.#awaited.get(key);
    if (sentAt === undefined) return;
    this.#awaited.delete(key);
    this.#latencies.push({ at, ms: at - sentAt });
  }

  // The median latency in ms, or null with nothing to go by; records per second; records in all. Draws the trace too.
  read() {
    const now = performance.now();
    this.#latencies = this.#latencies.filter(({ at }) => now - at < LATENCY_WINDOW_MS);
    this.#arrivals = this.#arrivals.filter((at) => now - at < RATE_WINDOW_MS);
    this.#drawTrace(now);
    const sorted = this.#latencies.map(({ ms }) => ms).sort((a, b) => a - b);
    return {
      latency: sorted.length > 0 ? sorted[sorted.length >> 1] : null,
      rate: this.#arrivals.length / (RATE_WINDOW_MS / 1000),
      received: this.#received,
    };
  }

  #drawTrace(now) {
    const { clientWidth: width, clientHeight: height } = this.#trace;
    this.#trace.width = width * devicePixelRatio;
    this.#trace.height = height * devicePixelRatio;
    const context = this.#trace.getContext("2d");
    context.scale(devicePixelRatio, devicePixelRatio);
    context.strokeStyle = this.#colour();
    context.lineWidth = 1.5;
    const highest = Math.max(2, ...this.#latencies.map(({ ms }) => ms));
    context.beginPath();
    for (const { at, ms } of this.#latencies) {
      context.lineTo(width * (1 - (now - at) / LATENCY_WINDOW_MS), height - 2 - (height - 4) * (ms / highest));
    }
    context.stroke();
  }
}
