"""pysignalr as Quix's users use it: a token, several subscriptions, one callback per package.

    python quix_pysignalr.py https://HOST:PORT/hub TOPIC TOKEN

Prints a line of JSON for what a wrong token leads to, and for each callback in its order.
"""

import asyncio
import json
import logging
import sys

from pysignalr.client import SignalRClient

URL, TOPIC, TOKEN = sys.argv[1:4]
CALLBACKS = ["ParameterDataReceived", "EventDataReceived", "ActiveStreamsChanged", "PackageReceived"]
DATA = {"Timestamps": [1697025689418406001], "NumericValues": {"speed": [7.5], "gear": [3], "rpm": [1]}, "TagValues": {"lap": ["2"]}}
EVENT = {"id": "lap", "timestamp": 1697025689418406001, "value": "done", "tags": {}}
logging.disable(logging.CRITICAL)


def show(**line):
    print(json.dumps(line), flush=True)


def build(token):
    return SignalRClient(URL, headers={"Authorization": f"Bearer {token}"})


async def send(client, method, *arguments):
    completed = asyncio.get_running_loop().create_future()

    async def on_completion(message):
        completed.set_result(message)

    await client.send(method, list(arguments), on_completion)
    await asyncio.wait_for(completed, 20)


async def main():
    try:
        await asyncio.wait_for(build(TOKEN + "x").run(), 20)
    except Exception as error:
        show(refused=401 if "401" in f"{error!r}" or "uthoriz" in f"{error!r}" else repr(error))

    client, opened = build(TOKEN), asyncio.Event()

    async def on_open():
        opened.set()

    async def on_error(message):
        show(error=message.error)

    client.on_open(on_open)
    client.on_error(on_error)
    for name in CALLBACKS:

        async def on_call(arguments, name=name):
            show(callback=name, arguments=arguments)

        client.on(name, on_call)
    running = asyncio.create_task(client.run())
    await asyncio.wait_for(opened.wait(), 20)
    for parameter in ("speed", "gear"):
        await send(client, "SubscribeToParameter", TOPIC, "car", parameter)
    await send(client, "SubscribeToEvent", TOPIC, "car", "lap")
    await send(client, "SubscribeToPackages", TOPIC)
    await send(client, "SubscribeToActiveStreams", TOPIC)
    await send(client, "SendParameterData", TOPIC, "car", DATA)
    await send(client, "SendEventData", TOPIC, "car", [EVENT])
    await send(client, "CloseStream", TOPIC, "car")
    await asyncio.to_thread(sys.stdin.read)
    running.cancel()


asyncio.run(main())
