"""What both clients' programs share: expectations that count themselves, and a line per kind of call as tests/signalr-matrix
prints them: {"kind", "count", "ok", "reason"}."""

import asyncio
import json
import urllib.error
import urllib.request

TEXT = 'grüße, 世界 🎈 "\\'
SECONDS = 25  # for one kind
KINDS = "invoke send receive stream upload results data groups users close reconnect stateful".split()


class Checks:
    def __init__(self):
        self.count = 0

    def equal(self, actual, expected, what):
        if actual != expected:
            raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")
        self.count += 1

    def says(self, said, text, what):
        if text not in str(said):
            raise AssertionError(f"{what}: expected {text!r}, got {said!r}")
        self.count += 1


class Reason(Exception):
    """Why a client has nothing to show for a kind."""


async def measured(stories):
    """Runs the stories, by kind; one that is a text says why there is none."""
    for kind in KINDS:
        story, checks = stories[kind], Checks()
        line = {"kind": kind, "ok": True}
        try:
            if isinstance(story, str):
                raise Reason(story)
            await asyncio.wait_for(story(checks), SECONDS)
        except Reason as reason:
            line["reason"] = str(reason)
        except Exception as error:
            line |= {"ok": False, "reason": f"{type(error).__name__}: {error}"}
        line["count"] = checks.count
        print(json.dumps(line), flush=True)


class Arrivals:
    """What has come so far."""

    def __init__(self):
        self.items = []
        self.more = asyncio.Event()

    def add(self, item):
        self.items.append(item)
        self.more.set()

    async def some(self, count, what):
        while len(self.items) < count:
            self.more.clear()
            try:
                await asyncio.wait_for(self.more.wait(), 10)
            except asyncio.TimeoutError:
                raise AssertionError(f"still not {count} × {what}, but {self.items}") from None
        return self.items


async def get(address):
    def ask():
        try:
            return urllib.request.urlopen(address, timeout=10).read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{address}: {error}") from None

    return await asyncio.to_thread(ask)

