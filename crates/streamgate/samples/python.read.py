"""Reads all packages of topic {{topic}} over HTTP, as they come, and goes on where it was after a broken connection.

Needs Python 3.8 or newer and nothing else.
"""

import http.client
import json
import time
import urllib.error
import urllib.request

URL = "{{url}}"
TOPIC = "{{topic}}"
TOKEN = "{{token}}"

last_event_id = None


def read():
    """Prints packages until the connection ends."""
    global last_event_id
    headers = {"Accept": "text/event-stream"}
    if TOKEN:
        headers["Authorization"] = f"Bearer {TOKEN}"
    if last_event_id:
        headers["Last-Event-ID"] = last_event_id
    request = urllib.request.Request(f"{URL}/topics/{TOPIC}/packages", headers=headers)
    event_id = None
    # There is a sign of life every 15 seconds.
    with urllib.request.urlopen(request, timeout=60) as answer:
        for line in answer:
            line = line.decode().rstrip("\n")
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                print(json.dumps(json.loads(line[6:])), flush=True)
            elif not line:
                last_event_id = event_id or last_event_id


while True:
    try:
        read()
    except urllib.error.HTTPError as error:
        print(error, error.read().decode())
    except (OSError, http.client.HTTPException) as error:
        print(error)
    time.sleep(1)
