// A TCP proxy before the server: the network, which can be lost.

import { connect, createServer } from "node:net";

export class Proxy {
  #sockets = new Set();
  #lost = false;

  static async before(target) {
    const { hostname, port } = new URL(target);
    const proxy = new Proxy();
    const server = createServer((near) => (proxy.#lost ? near.resetAndDestroy() : proxy.#join(near, connect(Number(port), hostname))));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${server.address().port}`;
    return proxy;
  }

  // Resets every connection, on both sides, and new ones until it is back.
  lose() {
    this.#lost = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  back() {
    this.#lost = false;
  }

  // For those who try once only.
  loseForAMoment() {
    this.lose();
    this.back();
  }

  #join(near, far) {
    for (const [one, other] of [[near, far], [far, near]]) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
