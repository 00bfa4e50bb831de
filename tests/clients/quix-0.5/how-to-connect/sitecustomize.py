"""Leads what Quix's programs name of the outside elsewhere: the API that one polls, the port 80 that another serves.

Python reads this by itself before a program, if PYTHONPATH names its folder. The programs beside it stand as Quix's page
"How to connect to Quix" prints them, but for a blank behind a backslash that Python does not take.
"""

import os


def lead_elsewhere():
    if url := os.environ.get("POLLED_URL"):
        import requests

        get = requests.get
        requests.get = lambda _url, **more: get(url, **more)
    if port := os.environ.get("WEBHOOK_PORT"):
        import waitress

        serve = waitress.serve
        waitress.serve = lambda app, **_: serve(app, host="127.0.0.1", port=int(port))


if "POLLED_URL" in os.environ or "WEBHOOK_PORT" in os.environ:
    lead_elsewhere()
