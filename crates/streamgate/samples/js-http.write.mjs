// Writes ten measurements to topic {{topic}} over HTTP. Runs in Node 18 or newer (node write.mjs) and in pages.
const url = "{{url}}";
const topic = "{{topic}}";
const token = "{{token}}";

const headers = { "Content-Type": "application/json" };
if (token) headers.Authorization = `Bearer ${token}`;

for (let number = 0; number < 10; number++) {
  // Timestamps are nanoseconds since 1970.
  const data = {
    timestamps: [Date.now() * 1_000_000],
    numericValues: { temperature: [20 + Math.random()], number: [number] },
    tagValues: { room: ["kitchen"] },
  };
  const answer = await fetch(`${url}/topics/${topic}/streams/sensor-1/parameters/data`, {
    method: "POST",
    headers,
    body: JSON.stringify(data),
  });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `status ${answer.status}`);
  console.log(`written: ${number}`);
}
