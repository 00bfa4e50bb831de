// Numbers each way at once over a network that is cut meanwhile. Runs in node and in a browser.

import { measured } from "./check.mjs";
import { calls, Hubs } from "./hubs.mjs";

// `count`: how many at least, a multiple of PIECE; both go on until the last cut, however late that is. `moments`: at which of the
// server's numbers the network is cut, in order; `network.cut()` resolves when the client is back.
export async function runExchange(cell, print) {
  const seen = {};
  const { ok, reason } = await measured("exchange", 120, (checks) => exchange(checks, new Hubs(cell), seen));
  await print({ ok, reason, ...seen });
}

async function exchange(checks, hubs, seen) {
  const { count, moments, network } = hubs;
  const watching = await hubs.connect(checks, "/checkhub");
  const asked = (name, ...values) => checks.within(watching.invoke(name, ...values), name);
  const { protocol, counts } = counting(new (hubs.binary ? hubs.MessagePackHubProtocol : hubs.signalR.JsonHubProtocol)());
  const set = (builder) => builder.withStatefulReconnect().withAutomaticReconnect().withHubProtocol(protocol);
  const connection = await hubs.connect(checks, "/checkhub", { proxied: true, set });
  const { connectionId } = connection;
  const noticed = [];
  for (const name of ["onreconnecting", "onreconnected", "onclose"]) connection[name]((text) => noticed.push(`${name}: ${text}`));

  const arrived = calls(checks, connection, "Flood");
  const progress = { sent: 0, received: 0, cuts: [], isAllCut: false };
  cutAt(moments, connection, network, progress);
  const bothWays = Promise.all([receive(connection, count, progress), send(connection, count, progress)]);
  const [received, answers] = await checks.within(bothWays, "numbers each way");
  const sent = progress.sent;
  const answered = await checks.within(Promise.all(answers), "answers");

  checks.equal(fault(arrived.items.map(([number]) => number), received, PIECE), null, "the server's numbers");
  checks.equal(fault(await asked("Noted", connectionId), sent), null, "the client's numbers");
  checks.equal(fault(answered.map((number) => (number - 1) / 2), sent / 2), null, "answers to every other of them");
  checks.equal([noticed, connection.connectionId, await asked("Disconnects", connectionId)], [[], connectionId, []], "what was noticed");
  const { cuts } = progress;
  const outside = cuts.filter((cut) => cut.sent === 0 || cut.sent === sent || cut.received === received);
  checks.equal([cuts.length, outside], [moments.length, []], "cuts while numbers were under way both ways");
  const { sentAgain, acks } = counts;
  const receivedAgain = counts.received - (received + received / PIECE + sent / 2);
  checks.equal([sentAgain > 0, receivedAgain > 0, acks > 0], [true, true, true], "what came again, and acknowledgements");
  Object.assign(seen, { at: cuts.map(({ received }) => received), sent, received, sentAgain, receivedAgain, acks });
}

// The server counts anew in each piece, the last begun behind the last cut; gives how many it has sent in all.
async function receive(connection, count, progress) {
  let received = 0;
  for (let isLast = false; !isLast; ) {
    isLast = received >= count && progress.isAllCut;
    received += await connection.invoke("Flood", PIECE, 40);
  }
  return received;
}

// Every other with an answer; gives the promises of those. What is sent without waits for acknowledgements.
async function send(connection, count, progress) {
  const answers = [];
  for (let number = 0; number < count || !progress.isAllCut || number % 2 === 1; number += 1) {
    const text = "x".repeat((number * 7) % 101);
    if (number % 2 === 0) await connection.send("Note", number, text);
    else {
      const answer = connection.invoke("Note", number, text);
      answer.catch(() => {}); // it is awaited in the end
      answers.push(answer);
    }
    progress.sent = number + 1;
    if (number % 10 === 9) await new Promise((resolve) => setTimeout(resolve)); // others have their turn
  }
  return answers;
}

function cutAt(moments, connection, network, progress) {
  const { cuts } = progress;
  let isWhole = true;
  connection.on("Flood", () => {
    progress.received += 1;
    // A number that is new says that all that came again has come.
    if (!isWhole || !(progress.received > moments[cuts.length])) return;
    isWhole = false;
    const cut = { sent: progress.sent, received: progress.received };
    network.cut().then(() => {
      cuts.push(cut);
      isWhole = true;
      progress.isAllCut = cuts.length === moments.length;
    });
  });
}

// An encoding that counts numbered messages, those that go out and come in again included.
function counting(protocol) {
  const counts = { sent: 0, sentAgain: 0, received: 0, acks: 0 };
  const isNumbered = ({ type }) => type <= 5;
  const writeMessage = (message) => {
    if (isNumbered(message)) counts.sent += 1;
    if (message.type === SEQUENCE) counts.sentAgain += counts.sent - message.sequenceId + 1;
    return protocol.writeMessage(message);
  };
  const parseMessages = (input, logger) => {
    const messages = protocol.parseMessages(input, logger);
    counts.received += messages.filter(isNumbered).length;
    counts.acks += messages.filter(({ type }) => type === ACK).length;
    return messages;
  };
  const { name, version, transferFormat } = protocol;
  return { protocol: { name, version, transferFormat, writeMessage, parseMessages }, counts };
}

// Where numbers are not 0, 1, 2 … in this order, anew in each piece; null if they are.
function fault(numbers, count, piece = count) {
  const at = numbers.findIndex((number, index) => number !== index % piece);
  if (at >= 0) return `${numbers[at]} in the place of ${at}`;
  return numbers.length === count ? null : `${numbers.length} of ${count}`;
}

const [ACK, SEQUENCE] = [8, 9];
const PIECE = 500;
