// Reads all parameters and events of topic {{topic}} over SignalR, as they come.
// Node: npm install @microsoft/signalr, then: node read.mjs
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

connection.on("ParameterDataReceived", (data) => console.log(JSON.stringify(data)));
connection.on("EventDataReceived", (data) => console.log(JSON.stringify(data)));

async function subscribe() {
  // Topic, stream, parameter or event: "*" is all of them.
  await connection.invoke("SubscribeToParameter", topic, "*", "*");
  await connection.invoke("SubscribeToEvent", topic, "*", "*");
}

connection.onreconnected(subscribe);
await connection.start();
await subscribe();
