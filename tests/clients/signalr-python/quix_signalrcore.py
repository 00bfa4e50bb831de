"""signalrcore as Quix's dashboards use it: `wss://`, a token, several subscriptions, one callback per package.

    python quix_signalrcore.py wss://HOST:PORT/hub TOPIC TOKEN

Prints a line of JSON for what a wrong token leads to, and for each callback in its order.
"""

import json
import logging
import os
import sys
import threading

from signalrcore.hub.errors import UnAuthorizedHubError
from signalrcore.hub_connection_builder import HubConnectionBuilder

URL, TOPIC, TOKEN = sys.argv[1:4]
CALLBACKS = ["ParameterDataReceived", "EventDataReceived", "ActiveStreamsChanged", "PackageReceived"]
DATA = {"Timestamps": [1697025689418406001], "NumericValues": {"speed": [7.5], "gear": [3], "rpm": [1]}, "TagValues": {"lap": ["2"]}}
EVENT = {"id": "lap", "timestamp": 1697025689418406001, "value": "done", "tags": {}}
logging.disable(logging.CRITICAL)
print_lock = threading.Lock()


def show(**line):
    with print_lock:
        print(json.dumps(line), flush=True)


def build(token):
    options = {"access_token_factory": lambda: token}
    reconnect = {"type": "raw", "keep_alive_interval": 10, "reconnect_interval": 5, "max_attempts": 5}
    return HubConnectionBuilder().with_url(URL, options=options).with_automatic_reconnect(reconnect).build()


try:
    build(TOKEN + "x").start()
except Exception as error:
    # Newer versions of the library let the answer itself through.
    show(refused=401 if isinstance(error, UnAuthorizedHubError) else getattr(error, "code", repr(error)))

opened = threading.Event()
hub = build(TOKEN)
hub.on_open(opened.set)
hub.on_error(lambda message: show(error=message.error))
for name in CALLBACKS:
    hub.on(name, lambda arguments, name=name: show(callback=name, arguments=arguments))
hub.start()
assert opened.wait(20), "it does not open"


def send(method, *arguments):
    completed = threading.Event()
    # Without an id of its own: the library has one for all of them.
    hub.send(method, list(arguments), lambda message: completed.set())
    assert completed.wait(20), f"{method} is not completed"


for parameter in ("speed", "gear"):
    send("SubscribeToParameter", TOPIC, "car", parameter)
send("SubscribeToEvent", TOPIC, "car", "lap")
send("SubscribeToPackages", TOPIC)
send("SubscribeToActiveStreams", TOPIC)
send("SendParameterData", TOPIC, "car", DATA)
send("SendEventData", TOPIC, "car", [EVENT])
send("CloseStream", TOPIC, "car")
sys.stdin.read()
os._exit(0)  # its threads linger
