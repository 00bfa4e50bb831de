// Writes ten measurements to topic cars over SignalR.
// dotnet new console, dotnet add package Microsoft.AspNetCore.SignalR.Client, this as Program.cs, dotnet run.
// Unlike the samples in other languages, no test of ours runs this one.
using Microsoft.AspNetCore.SignalR.Client;

const string url = "http://h:1";
const string topic = "cars";
const string token = "x.y";

await using var connection = new HubConnectionBuilder()
    .WithUrl($"{url}/hub", options => options.AccessTokenProvider = () => Task.FromResult<string?>(token))
    .WithAutomaticReconnect()
    .Build();

await connection.StartAsync();
for (var number = 0; number < 10; number++)
{
    // Completes when it is stored. Timestamps are nanoseconds since 1970.
    await connection.InvokeAsync("SendParameterData", topic, "sensor-1", new
    {
        timestamps = new[] { DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000 },
        numericValues = new { temperature = new[] { 20 + Random.Shared.NextDouble() }, number = new[] { number } },
        tagValues = new { room = new[] { "kitchen" } },
    });
    Console.WriteLine($"written: {number}");
}
