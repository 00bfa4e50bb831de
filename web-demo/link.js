// One hub connection that comes back by itself, and says in plain words what is wrong while it cannot.

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const MAX_IN_FLIGHT = 200; // beyond it the server is not keeping up: what is drawn meanwhile is left out
const BUSY_IN_FLIGHT = 30;

// `show(role, state, trouble)`: state is connecting, connected, reconnecting or waiting; trouble `{ title, advice }` or null.
export function keepConnected({ role, hub, token, show, callbacks = {}, onConnected = () => {} }) {
  let connection = null;
  let attempt = 0;
  let inFlight = 0;
  let trouble = null; // kept while trying again, so that it can be read

  if (!globalThis.signalR) {
    show(role, "waiting", NO_SCRIPT);
    return { invoke: () => false, isReady: () => false };
  }

  function tell(state, error) {
    trouble = error ? explain(error) : trouble;
    show(role, state, trouble);
  }

  function build() {
    const options = token ? { accessTokenFactory: () => token } : {};
    connection = new signalR.HubConnectionBuilder()
      .withUrl(hub, options)
      .withAutomaticReconnect({ nextRetryDelayInMilliseconds: ({ previousRetryCount }) => retryDelay(previousRetryCount) })
      .configureLogging(signalR.LogLevel.None) // everything is told on the page
      .build();
    for (const [name, callback] of Object.entries(callbacks)) connection.on(name, callback);
    connection.onreconnecting((error) => tell("reconnecting", error));
    connection.onreconnected(ready);
    connection.onclose(later);
  }

  async function start() {
    tell("connecting");
    build();
    try {
      await connection.start();
    } catch (error) {
      later(error);
      return;
    }
    await ready();
  }

  async function ready() {
    inFlight = 0;
    try {
      await onConnected(connection);
      attempt = 0;
      trouble = null;
      tell("connected");
    } catch (error) {
      tell("waiting", error);
      if (isConnected()) connection.stop(); // and so to `later`
    }
  }

  function later(error) {
    tell("waiting", error);
    setTimeout(start, retryDelay(attempt++));
  }

  async function call(method, args) {
    const over = connection;
    inFlight += 1;
    try {
      await over.invoke(method, ...args);
      if (!trouble) return;
      trouble = null;
      tell("connected");
    } catch (error) {
      if (over === connection && isConnected()) tell("connected", error);
    } finally {
      if (over === connection) inFlight = Math.max(0, inFlight - 1);
    }
  }

  const isConnected = () => connection?.state === signalR.HubConnectionState.Connected;

  start();
  return {
    // Whether the call went out; how it ended is shown.
    invoke(method, ...args) {
      if (!isConnected() || inFlight >= MAX_IN_FLIGHT) return false;
      call(method, args);
      return true;
    },
    isReady: () => isConnected() && inFlight < BUSY_IN_FLIGHT,
  };
}

const retryDelay = (count) => RETRY_MS[Math.min(count, RETRY_MS.length - 1)];

// What went wrong and what to do about it.
function explain(error) {
  const text = String(error.message ?? error);
  const [, title, advice] = EXPLANATIONS.find(([pattern]) => pattern.test(text)) ?? [null, "The connection failed.", "It is tried again by itself."];
  return { title, advice: `${advice} (${text})` };
}

const NO_SCRIPT = { title: "The SignalR script did not load.", advice: "Is its address, in this page's source, reachable from here?" };

const EXPLANATIONS = [
  [/\b401\b|unauthorized/i, "The server wants a token.", "Open this page as /demo/#token=YOUR_TOKEN."],
  [
    /\b403\b|forbidden/i,
    "The server refused this page.",
    `Its origin is ${location.origin}: add that to allowed_origins in the server's settings, or open the page by the name the server was started with.`,
  ],
  [/Topic '.*' does not exist/, "The topic is not there.", "Create it with `streamgate topic create websocket-topic`, or start the server with create_topics on."],
  [/\b429\b/, "Too many connections from this address.", "It is tried again by itself; the setting is connections_per_address."],
  [/\b503\b/, "The server is full or shutting down.", "It is tried again by itself."],
  [/backlog is full|not confirmed in time/, "The server is not getting its records written.", "Is the broker behind it reachable? Its log says."],
  [
    /Failed to fetch|NetworkError|Load failed|status code '0'|WebSocket failed|1006|timeout elapsed/i,
    `No answer from ${location.host}.`,
    "Is `streamgate serve` still running? It is tried again by itself.",
  ],
];
