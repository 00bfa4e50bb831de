"""signalrcore as Quix's dashboards use it: events sent without waiting, a null stream id before the page knows its own.

    python quix_writer.py ws://HOST:PORT/hub TOPIC

Prints what each call was answered with, a JSON text a line: null or the error.
"""

import json
import logging
import os
import sys
import threading

from signalrcore.hub_connection_builder import HubConnectionBuilder

URL, TOPIC = sys.argv[1:3]
logging.disable(logging.CRITICAL)

opened = threading.Event()
errors = []
hub = HubConnectionBuilder().with_url(URL, options={"access_token_factory": lambda: "token"}).build()
hub.on_open(opened.set)
hub.on_error(lambda message: errors.append(message.error))
hub.start()
assert opened.wait(20), "it does not open"


def send(stream):
    completed = threading.Event()
    event = {"timestamp": 1697025689418406001, "tags": {}, "id": "click", "value": "{}"}
    before = len(errors)
    hub.send("SendEventData", [TOPIC, stream, [event]], lambda message: completed.set())
    while not completed.wait(0.01) and len(errors) == before:
        pass
    print(json.dumps(errors[-1] if len(errors) > before else None), flush=True)


for stream in (None, "s", None, "s"):
    send(stream)
os._exit(0)  # its threads linger
