// Writes ten measurements to topic {{topic}} over SignalR.
// Node: npm install @microsoft/signalr, then: node write.mjs
// In a page: leave the import out and load {{url}}/demo/signalr.js before this script.
import * as signalR from "@microsoft/signalr";

const url = "{{url}}";
const topic = "{{topic}}";
const token = "{{token}}";

const connection = new signalR.HubConnectionBuilder()
  .withUrl(`${url}/hub`, { accessTokenFactory: () => token })
  .withAutomaticReconnect()
  .configureLogging(signalR.LogLevel.Warning)
  .build();

await connection.start();
for (let number = 0; number < 10; number++) {
  // Resolves when it is stored. Timestamps are nanoseconds since 1970.
  await connection.invoke("SendParameterData", topic, "sensor-1", {
    timestamps: [Date.now() * 1_000_000],
    numericValues: { temperature: [20 + Math.random()], number: [number] },
    tagValues: { room: ["kitchen"] },
  });
  console.log(`written: ${number}`);
}
await connection.stop();
