// A TCP proxy before the server that cuts websockets, by chance that repeats with its seed.

import { once } from "node:events";
import { connect, createServer } from "node:net";

// "near" is the client's side alone: the server's stays open until the server gives it up.
const WAYS = ["reset", "end", "stall", "near"];
const DIRECTIONS = ["toServer", "toClient"];

export class Cutter {
  cuts = []; // texts
  #dice;
  #open;
  #ofReturn;
  #isBack;

  static async before(target, dice) {
    const { hostname, port } = new URL(target);
    const cutter = new Cutter();
    cutter.#dice = dice;
    const server = createServer((near) => new Link(cutter, near, connect(Number(port), hostname)).relay());
    await once(server.listen(0, "127.0.0.1"), "listening");
    cutter.url = `http://127.0.0.1:${server.address().port}`;
    return cutter;
  }

  // Cuts the open websocket some bytes later, and one time out of three the next as well, while the client is about to
  // come back. Resolves when it is back.
  cut() {
    const dice = this.#dice;
    this.#ofReturn = dice.below(3) > 0 ? undefined : this.#plan("return", 20_000);
    this.#open.follow(this.#plan(dice.oneOf(WAYS), 4_000));
    return new Promise((resolve) => (this.#isBack = resolve));
  }

  // The client speaks on another websocket.
  opened(link) {
    this.#open = link;
    if (!this.#ofReturn) return this.#isBack?.();
    link.follow(this.#ofReturn);
    this.#ofReturn = undefined;
  }

  #plan(way, bytes) {
    const dice = this.#dice;
    const [direction, patience] = [dice.oneOf(DIRECTIONS), dice.below(300)]; // ms
    return { way, direction, bytes: dice.below(bytes), patience, stall: dice.below(1_500) };
  }
}

class Link {
  #plan;
  #cutter;
  #near;
  #far;
  #isCut = false;

  constructor(cutter, near, far) {
    [this.#cutter, this.#near, this.#far] = [cutter, near, far];
    for (const socket of [near, far]) socket.setNoDelay(true).on("error", () => {});
  }

  async relay() {
    const [up, down] = [pieces(this.#near), pieces(this.#far)];
    try {
      const { value: request } = await up.next();
      this.#far.write(request);
      if (request.toString("latin1").startsWith("GET ")) await this.#introduce(up, down);
      await Promise.all([this.#passAll("toServer", up), this.#passAll("toClient", down)]);
    } catch {
      // One of them has broken off.
    }
    if (!this.#isCut) this.#reset();
  }

  // Cuts behind so many bytes one way, or earlier if they do not come.
  follow(plan) {
    this.#plan = plan;
    setTimeout(() => this.#isCut || this.#cut(), plan.patience);
  }

  // The client tries to come back once only: what follows the answer waits until the client has that, and speaks.
  async #introduce(up, down) {
    const { value: answer } = await down.next();
    const end = answer.indexOf("\r\n\r\n") + 4;
    this.#near.write(answer.subarray(0, end));
    const { value: words } = await up.next();
    this.#cutter.opened(this);
    this.#pass("toServer", words);
    this.#pass("toClient", answer.subarray(end));
  }

  async #passAll(direction, pieces) {
    for await (const piece of pieces) this.#pass(direction, piece);
    if (!this.#isCut) this.#to(direction).end();
  }

  #pass(direction, piece) {
    const plan = this.#plan;
    // The client takes it for a gap if what comes again breaks off and the server has had an Ack of it meanwhile.
    const isHeld = plan?.way === "return" && plan.direction !== direction;
    if (this.#isCut || isHeld) return;
    if (plan?.direction !== direction) this.#to(direction).write(piece);
    else if (piece.length < plan.bytes) {
      plan.bytes -= piece.length;
      this.#to(direction).write(piece);
    } else {
      this.#isCut = true;
      this.#to(direction).write(piece.subarray(0, plan.bytes), () => this.#cut());
    }
  }

  #cut() {
    const { way, direction, stall } = this.#plan;
    this.#isCut = true;
    this.#cutter.cuts.push(`${way} ${direction}`);
    if (way === "end") [this.#near, this.#far].forEach((socket) => socket.end());
    else if (way === "near") this.#near.resetAndDestroy();
    else if (way === "stall") setTimeout(() => this.#reset(), stall);
    else this.#reset();
  }

  #to(direction) {
    return direction === "toServer" ? this.#far : this.#near;
  }

  #reset() {
    this.#near.resetAndDestroy();
    this.#far.resetAndDestroy();
  }
}

// A slow network, so that a cut finds the rest on its way.
async function* pieces(socket) {
  for await (const chunk of socket) {
    for (let start = 0; start < chunk.length; start += BYTES_PER_MS) {
      yield chunk.subarray(start, start + BYTES_PER_MS);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

const BYTES_PER_MS = 1_000;
