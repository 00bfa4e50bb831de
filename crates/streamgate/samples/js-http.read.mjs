// Reads all packages of topic {{topic}} over HTTP, as they come, and goes on where it was after a broken connection.
// Runs in Node 18 or newer (node read.mjs) and in pages.
const url = "{{url}}";
const topic = "{{topic}}";
const token = "{{token}}";

let lastEventId = null;

async function read() {
  const headers = { Accept: "text/event-stream" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (lastEventId) headers["Last-Event-ID"] = lastEventId;
  const answer = await fetch(`${url}/topics/${topic}/packages`, { headers });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `status ${answer.status}`);
  const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (let piece = await text.read(); !piece.done; piece = await text.read()) {
    const events = (waiting + piece.value).split("\n\n");
    waiting = events.pop();
    for (const event of events) take(event);
  }
}

function take(event) {
  const field = (name) => event.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  if (field("data")) console.log(field("event") ?? "package", field("data"));
  lastEventId = field("id") ?? lastEventId;
}

for (;;) {
  await read().catch((error) => console.error(String(error)));
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
