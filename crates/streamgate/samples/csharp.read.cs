// Reads all parameters and events of topic {{topic}} over SignalR, as they come.
// dotnet new console, dotnet add package Microsoft.AspNetCore.SignalR.Client, this as Program.cs, dotnet run.
// Unlike the samples in other languages, no test of ours runs this one.
using System.Text.Json;
using Microsoft.AspNetCore.SignalR.Client;

const string url = "{{url}}";
const string topic = "{{topic}}";
const string token = "{{token}}";

await using var connection = new HubConnectionBuilder()
    .WithUrl($"{url}/hub", options => options.AccessTokenProvider = () => Task.FromResult<string?>(token))
    .WithAutomaticReconnect()
    .Build();

connection.On<JsonElement>("ParameterDataReceived", data => Console.WriteLine(data));
connection.On<JsonElement>("EventDataReceived", data => Console.WriteLine(data));

async Task Subscribe()
{
    // Topic, stream, parameter or event: "*" is all of them.
    await connection.InvokeAsync("SubscribeToParameter", topic, "*", "*");
    await connection.InvokeAsync("SubscribeToEvent", topic, "*", "*");
}

connection.Reconnected += _ => Subscribe();
await connection.StartAsync();
await Subscribe();
await Task.Delay(Timeout.Infinite);
