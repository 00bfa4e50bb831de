// Kinds of call on a connection: what goes out, what comes back, in both directions.

import { Arrivals } from "./check.mjs";
import { calls, collected } from "./hubs.mjs";

const TEXT = "grüße, 世界 🎈 \u001e \"\\ \u0000";

export async function invoke(checks, hubs) {
  const test = await hubs.connect(checks, "/testhub");
  const answer = (name, ...values) => checks.within(test.invoke(name, ...values), name);
  checks.equal(await answer("Echo", TEXT), TEXT, "a text");
  checks.equal(await answer("Echo", ""), "", "an empty text");
  checks.equal(await answer("Echo", null), null, "null");
  checks.equal(await answer("echo", "a"), "a", "a target in another case");
  checks.equal(await answer("GetActiveTransportName"), hubs.transport, "the transport");
  checks.equal(await answer("GetCallerConnectionId"), test.connectionId, "the connection id");
  const texts = Array.from({ length: 100 }, (_, i) => `text ${i}`);
  checks.equal(await checks.within(Promise.all(texts.map((text) => test.invoke("Echo", text))), "100 calls at once"), texts, "100 calls at once");
  const large = "x".repeat(30_000);
  checks.equal(await answer("Echo", large), large, "a text near the limit");

  const failed = "An unexpected error occurred invoking 'ThrowException' on the server. InvalidOperationException: oh no";
  await checks.refused(test.invoke("ThrowException", "oh no"), failed, "a failing method");
  const unknown = "Failed to invoke 'NotThere' due to an error on the server. HubException: Method does not exist.";
  await checks.refused(test.invoke("NotThere"), unknown, "an unknown method");
  const count = "Failed to invoke 'Echo' due to an error on the server. InvalidDataException: Invocation provides 2 argument(s) but target expects 1.";
  await checks.refused(test.invoke("Echo", "a", "b"), count, "too many arguments");
  const kind = "Failed to invoke 'Echo' due to an error on the server. InvalidDataException: Error binding arguments. "
    + "Make sure that the types of the provided values match the types of the hub method being invoked.";
  await checks.refused(test.invoke("Echo", 5), kind, "an argument of another type");
  const streaming = "The client attempted to invoke the streaming 'Stream' method with a non-streaming invocation.";
  await checks.refused(test.invoke("Stream"), streaming, "a streaming method");

  const check = await hubs.connect(checks, "/checkhub");
  checks.equal((await checks.within(check.invoke("Nothing"), "Nothing")) ?? null, null, "a method without result");
  checks.equal(await checks.within(check.invoke("Add", 2_000_000_000, -3), "Add"), 1_999_999_997, "a sum");
  await checks.refused(check.invoke("Add", "two", 3), /Failed to invoke 'Add' due to an error on the server\.$/, "a text for a number, without details");
  await checks.refused(check.invoke("Fail", "secret"), /An unexpected error occurred invoking 'Fail' on the server\.$/, "a failure without details");
  const told = "An unexpected error occurred invoking 'FailHub' on the server. HubException: told";
  await checks.refused(check.invoke("FailHub", "told"), told, "a failure meant for the client");
  checks.equal(await checks.within(test.invoke("Echo", "still"), "Echo"), "still", "the connection lives on");
}

export async function send(checks, hubs) {
  const test = await hubs.connect(checks, "/testhub");
  const messages = calls(checks, test, "Message");
  const sent = (name, ...values) => checks.within(test.send(name, ...values), `${name} to be sent`);
  await sent("NotThere", 1);
  await sent("ThrowException", "nobody hears of it");
  await sent("Echo", 5);
  await sent("Echo", "a", "b");
  for (let i = 0; i < 20; i += 1) await sent("InvokeWithString", `message ${i}`);
  const wanted = Array.from({ length: 20 }, (_, i) => [`message ${i}`]);
  checks.equal(await messages.some(20, "Message"), wanted, "20 sends, in order, after four that fail without an answer");
  checks.equal(await checks.within(test.invoke("Echo", "still"), "Echo"), "still", "the connection lives on");
}

export async function receive(checks, hubs) {
  const test = hubs.build("/testhub");
  const objects = calls(checks, test, "CustomObject");
  const messages = [calls(checks, test, "Message"), calls(checks, test, "mESSAGE")];
  await checks.within(test.start(), "the start");
  await checks.within(test.invoke("InvokeWithString", TEXT), "InvokeWithString");
  for (const arrived of messages) checks.equal(await arrived.some(1, "Message"), [[TEXT]], "a text, to each of two handlers");
  const sent = (value) => checks.within(test.invoke("SendCustomObject", value), "SendCustomObject");
  await sent({ Name: "n", Value: 7 });
  await sent({ name: "lower", value: -1, more: true });
  await sent({});
  const wanted = [{ Name: "n", Value: 7 }, { Name: "lower", Value: -1 }, { Name: null, Value: 0 }];
  checks.equal((await objects.some(3, "CustomObject")).flat(), wanted, "objects");
  test.off("CustomObject");
  await sent({ Name: "unheard" });

  const check = hubs.build("/checkhub?welcome=1");
  const welcomes = calls(checks, check, "Welcome");
  const flood = calls(checks, check, "Flood");
  await checks.within(check.start(), "the start");
  checks.equal(await welcomes.some(1, "Welcome"), [[check.connectionId]], "what the connect handler sends");
  checks.equal(await checks.within(check.invoke("Flood", 300, 1000), "Flood"), 300, "300 messages of 1000 characters");
  const items = await flood.some(300, "Flood");
  checks.equal(items.map(([number]) => number), Array.from({ length: 300 }, (_, i) => i), "their order");
  checks.equal(items.every(([, text]) => text === "x".repeat(1000)), true, "their texts");
}

export async function stream(checks, hubs) {
  const test = await hubs.connect(checks, "/testhub");
  const check = await hubs.connect(checks, "/checkhub");
  const all = (connection, name, ...values) => checks.within(collected(connection.stream(name, ...values)), name);
  checks.equal(await all(test, "Stream"), { items: ["a", "b", "c"] }, "three items");
  checks.equal(await all(test, "EmptyStream"), { items: [] }, "no items");
  const numbers = Array.from({ length: 500 }, (_, i) => i);
  checks.equal(await all(check, "Counter", 500, 0), { items: numbers }, "500 items");
  const three = await checks.within(Promise.all([3, 4, 5].map((count) => all(check, "Counter", count, 5))), "three streams");
  checks.equal(three.map(({ items }) => items), [3, 4, 5].map((count) => numbers.slice(0, count)), "three streams at once");

  const canceled = calls(checks, test, "StreamCanceled");
  const subscription = test.stream("InfiniteStream").subscribe({ next() {}, complete() {}, error() {} });
  checks.equal(await checks.within(test.invoke("Echo", "beside"), "Echo"), "beside", "a call beside a stream");
  subscription.dispose();
  checks.equal(await canceled.some(1, "StreamCanceled"), [[]], "cancelling reaches the method");
  const some = new Arrivals(checks);
  const counter = check.stream("Counter", 1_000_000, 1).subscribe({ next: (item) => some.push(item), complete() {}, error() {} });
  await some.some(5, "item");
  counter.dispose();
  checks.equal(await checks.within(check.invoke("Add", 1, 1), "Add"), 2, "the connection after a cancelled stream");
  checks.equal(some.items.slice(0, 5), [0, 1, 2, 3, 4], "the items before");

  const failing = async (connection, name, values, items, text) => {
    const result = await all(connection, name, ...values);
    checks.equal(result.items, items, `${name}: the items before the error`);
    checks.says(result.error, text, name);
  };
  const thrown = "An unexpected error occurred invoking 'StreamThrowException' on the server. InvalidOperationException: oh no";
  await failing(test, "StreamThrowException", ["oh no"], [], thrown);
  const producing = "An error occurred on the server while streaming results.";
  await failing(check, "StreamFail", [3, "told"], [0, 1, 2], `${producing} HubException: told`);
  await failing(check, "StreamFailHidden", [2, "secret"], [0, 1], new RegExp(`${producing}$`));
  await failing(check, "Nothing", [], [], "The client attempted to invoke the non-streaming 'Nothing' method with a streaming invocation.");
  await failing(test, "NotThere", [], [], "Failed to invoke 'NotThere' due to an error on the server. HubException: Method does not exist.");
}

export async function upload(checks, hubs) {
  const { Subject } = hubs.signalR;
  const test = await hubs.connect(checks, "/testhub");
  const check = await hubs.connect(checks, "/checkhub");
  const feed = (subject, items) => {
    for (const item of items) subject.next(item);
    subject.complete();
  };
  const uploaded = async (connection, name, items, ...before) => {
    const subject = new Subject();
    const answer = connection.invoke(name, ...before, subject);
    feed(subject, items);
    return checks.within(answer, name);
  };
  checks.equal(await uploaded(test, "StreamingConcat", ["a", "b", "ç"]), "abç", "three items");
  checks.equal(await uploaded(test, "StreamingConcat", []), "", "no items");
  checks.equal(await uploaded(check, "Sum", Array.from({ length: 200 }, (_, i) => i)), 19_900, "200 items");
  checks.equal(await uploaded(check, "First", Array.from({ length: 50 }, (_, i) => `${i}`)), "0", "a method that reads one item of 50");

  const [a, b] = [new Subject(), new Subject()];
  const zipped = check.invoke("Zip", a, "-", b); // of two next to each other the client sees one only
  feed(b, ["x", "y"]); // read after the other
  feed(a, ["1", "2"]);
  checks.equal(await checks.within(zipped, "Zip"), "1-x 2-y", "two streams and a value");

  const words = new Subject();
  const upper = new Arrivals(checks);
  const ended = new Promise((resolve) => check.stream("Upper", words).subscribe({ next: (item) => upper.push(item), complete: resolve, error: resolve }));
  for (const [index, word] of ["one", "two", "three"].entries()) {
    words.next(word);
    checks.equal((await upper.some(index + 1, "upper word"))[index], word.toUpperCase(), "an item back while the upload goes on");
  }
  words.complete();
  checks.equal((await checks.within(ended, "Upper to end")) ?? null, null, "both streams end");

  const reads = calls(checks, check, "Read");
  const unanswered = new Subject();
  await checks.within(check.send("ReadSlowly", 0, unanswered), "ReadSlowly to be sent");
  feed(unanswered, ["a", "b", "c"]);
  checks.equal(await reads.some(3, "Read"), [[1], [2], [3]], "an upload of a call without an answer");

  const broken = new Subject();
  const failed = test.invoke("StreamingConcat", broken);
  broken.next("a");
  broken.error(new Error("gave up"));
  await checks.refused(failed, "An unexpected error occurred invoking 'StreamingConcat' on the server. HubException: gave up", "an upload that fails");
  const few = "An unexpected error occurred invoking 'Zip' on the server. HubException: Client sent 1 stream(s), Hub method expects 2.";
  await checks.refused(check.invoke("Zip", "-", new Subject()), few, "too few streams");
  checks.equal(await checks.within(test.invoke("Echo", "still"), "Echo"), "still", "the connection lives on");
}

export async function results(checks, hubs) {
  if (hubs.version < 7) return "clients before 7 have no client results";
  const test = await hubs.settled(checks, "/testhub");
  const ask = (id) => checks.within(hubs.getText(`${hubs.url}/clientresult/${id}`), "/clientresult");
  checks.equal(await ask(test.connectionId), "Client didn't provide a result.", "no handler");
  test.on("Result", () => 42);
  checks.equal(await ask(test.connectionId), "42", "a number");
  test.off("Result");
  test.on("Result", async () => -7);
  checks.equal(await ask(test.connectionId), "-7", "a promised number");
  test.off("Result");
  test.on("Result", () => { throw new Error("will not say"); });
  checks.equal(await ask(test.connectionId), "Error: will not say", "a failing handler");
  test.off("Result");
  test.on("Result", () => "a text");
  checks.says(await ask(test.connectionId), "Error trying to deserialize result to Int32.", "a result of another type");
  checks.equal(await ask("nobody"), "Connection 'nobody' does not exist.", "no such connection");

  const [one, other] = [await hubs.settled(checks, "/checkhub"), await hubs.settled(checks, "/checkhub")];
  const question = (id, text) => checks.within(one.invoke("Ask", id, text), "Ask");
  other.on("Question", (text) => ({ heard: text, list: [1, null, true] }));
  one.on("Question", (text) => `${text}!`);
  checks.equal(await question(other.connectionId, "how?"), { heard: "how?", list: [1, null, true] }, "another connection's answer");
  checks.equal(await question(one.connectionId, "me"), "me!", "one's own answer, while the call waits for it");
  const texts = Array.from({ length: 20 }, (_, i) => `q${i}`);
  const answers = await checks.within(Promise.all(texts.map((text) => one.invoke("Ask", one.connectionId, text))), "20 questions");
  checks.equal(answers, texts.map((text) => `${text}!`), "20 questions at once");
}

// Values as the encoding carries them.
export async function data(checks, hubs) {
  const test = await hubs.connect(checks, "/testhub");
  const check = await hubs.connect(checks, "/checkhub");
  const echo = (value) => checks.within(check.invoke("EchoAny", value), "EchoAny");
  const date = new Date(Date.UTC(2000, 0, 1));
  const complex = {
    String: "hello world",
    IntArray: [1, 2, 3],
    ByteArray: hubs.binary ? new Uint8Array([1, 2, 3]) : "AQID",
    Guid: "00010203-0405-0607-0706-050403020100",
    DateTime: hubs.binary ? date : "2000-01-01T00:00:00Z",
  };
  checks.equal(await checks.within(test.invoke("SendComplexObject"), "SendComplexObject"), complex, "an object of the server");
  checks.equal(await checks.within(test.invoke("EchoComplexObject", complex), "EchoComplexObject"), complex, "the same back");
  const other = { ...complex, String: TEXT, IntArray: [], DateTime: hubs.binary ? new Date(Date.UTC(2031, 4, 6, 7, 8, 9, 123)) : "2031-05-06T07:08:09.123Z" };
  checks.equal(await checks.within(test.invoke("EchoComplexObject", other), "EchoComplexObject"), other, "another object");

  const numbers = [0, -1, 127, 128, -129, 65_536, 2 ** 31, -(2 ** 31) - 1, 2 ** 40 + 1, 2 ** 53 - 1, 0.5, -1.25e-7, 1e300];
  checks.equal(await echo(numbers), numbers, "numbers");
  for (const value of [null, true, false, "", TEXT, [], {}, [[[]]], { a: { b: [{ c: null }] }, "": 1 }]) checks.equal(await echo(value), value, "a value");
  const long = { text: "ü".repeat(9000), list: Array.from({ length: 2000 }, (_, i) => i) };
  checks.equal(await echo(long), long, "a long value");
  if (!hubs.binary) return;
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  checks.equal(await echo(bytes), bytes, "all bytes");
  checks.equal(await echo(new Uint8Array(20_000).fill(0xc1)), new Uint8Array(20_000).fill(0xc1), "many bytes");
  checks.equal(await echo({ bytes: new Uint8Array(), date }), { bytes: new Uint8Array(), date }, "no bytes, and a date");
}
