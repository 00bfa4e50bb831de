"""Writes ten measurements to topic {{topic}} over HTTP. Needs Python 3.8 or newer and nothing else."""

import json
import random
import time
import urllib.request

URL = "{{url}}"
TOPIC = "{{topic}}"
TOKEN = "{{token}}"

headers = {"Content-Type": "application/json"}
if TOKEN:
    headers["Authorization"] = f"Bearer {TOKEN}"

for number in range(10):
    data = {
        "timestamps": [time.time_ns()],
        "numericValues": {"temperature": [20 + random.random()], "number": [number]},
        "tagValues": {"room": ["kitchen"]},
    }
    request = urllib.request.Request(
        f"{URL}/topics/{TOPIC}/streams/sensor-1/parameters/data", json.dumps(data).encode(), headers
    )
    with urllib.request.urlopen(request):
        print(f"written: {number}", flush=True)
