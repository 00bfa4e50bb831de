// Connections of one version, transport and encoding, and what comes in on them.

import { Arrivals } from "./check.mjs";

// Makes connections of this cell's version, transport and encoding.
export class Hubs {
  #open = [];

  constructor(cell) {
    Object.assign(this, cell);
    this.version = cell.client === "newest" ? 10 : Number(cell.client);
    this.binary = cell.protocol === "messagepack";
  }

  impossible() {
    return this.binary && this.transport === "ServerSentEvents" ? "server-sent events carry text only" : undefined;
  }

  // Not started yet. `token` is a text; with `proxied` its network can be lost; `set` may change the builder.
  build(path, { token, proxied = false, set = (builder) => builder } = {}) {
    const options = { transport: this.signalR.HttpTransportType[this.transport] };
    if (token) options.accessTokenFactory = () => token;
    const { HubConnectionBuilder, LogLevel } = this.signalR;
    let builder = new HubConnectionBuilder();
    builder = builder.withUrl(`${proxied ? this.proxyUrl : this.url}${path}`, options).configureLogging(LogLevel.None);
    if (this.binary) builder = builder.withHubProtocol(new this.MessagePackHubProtocol());
    const connection = set(builder).build();
    this.#open.push(connection);
    return connection;
  }

  async connect(checks, path, options) {
    const connection = this.build(path, options);
    await checks.within(connection.start(), `the connection to ${path} to start`);
    return connection;
  }

  // With a call behind it: what others do finds a connection only some time after its handshake was answered.
  async settled(checks, path, options) {
    const connection = await this.connect(checks, path, options);
    const [name, ...values] = path.startsWith("/testhub") ? ["Echo", ""] : ["Nothing"];
    await checks.within(connection.invoke(name, ...values), name);
    return connection;
  }

  async end() {
    const patience = new Promise((resolve) => setTimeout(resolve, 3000));
    await Promise.race([patience, Promise.allSettled(this.#open.map((connection) => connection.stop()))]);
  }
}

// What a handler was called with: a list of argument lists.
export function calls(checks, connection, name) {
  const arrivals = new Arrivals(checks);
  connection.on(name, (...values) => arrivals.push(values));
  return arrivals;
}

// A server stream to its end.
export function collected(stream) {
  const items = [];
  return new Promise((resolve) => {
    stream.subscribe({
      next: (item) => items.push(item),
      complete: () => resolve({ items }),
      error: (error) => resolve({ items, error }),
    });
  });
}

export const once = (register) => new Promise((resolve) => register(resolve));

export const unique = () => Math.random().toString(36).slice(2);
