"""signalrcore in one cell of the matrix: one transport, one encoding.

    python signalrcore_cell.py URL WebSockets|ServerSentEvents|LongPolling json|messagepack
"""

import asyncio
import logging
import os
import sys
import uuid

from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.subject import Subject
from signalrcore.types import HttpTransportType, HubProtocolEncoding

from matrix import TEXT, Arrivals, get, measured

URL, TRANSPORT, ENCODING = sys.argv[1:4]
logging.disable(logging.CRITICAL)


class Connection:
    """Its callbacks come in threads of the client and are handed to the loop."""

    def __init__(self, path, token=None, reconnect=False):
        self.loop = asyncio.get_running_loop()
        options = {"transport": HttpTransportType(TRANSPORT)}
        if token:
            options["headers"] = {"Authorization": f"Bearer {token}"}
        builder = HubConnectionBuilder().with_url(URL + path, options=options)
        builder = builder.with_hub_protocol(HubProtocolEncoding.binary if ENCODING == "messagepack" else HubProtocolEncoding.text)
        if reconnect:
            builder = builder.with_automatic_reconnect({"type": "raw", "reconnect_interval": 0.1, "max_attempts": 20})
        self.hub = builder.build()
        self.opened, self.closed, self.reconnected = Arrivals(), Arrivals(), Arrivals()
        self.pending = {}
        self.hub.on_open(lambda: self.told(self.opened.add, True))
        self.hub.on_close(lambda: self.told(self.closed.add, True))
        self.hub.on_reconnect(lambda: self.told(self.reconnected.add, True))
        self.hub.on_error(lambda message: self.told(self.end, getattr(message, "invocation_id", None), message))

    def told(self, callback, *values):
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(callback, *values)

    # An answer may come before it is known whose it is.
    def end(self, invocation_id, message):
        future = self.pending.setdefault(invocation_id, self.loop.create_future())
        if not future.done():
            future.set_result(message)

    async def call(self, name, *values):
        invocation_id = str(uuid.uuid4())
        end = lambda message: self.told(self.end, invocation_id, message)
        await asyncio.to_thread(self.hub.invoke, name, list(values), end, invocation_id)
        return await self.ended(invocation_id)

    async def ended(self, invocation_id):
        return await self.nudged(self.pending.setdefault(invocation_id, self.loop.create_future()))

    async def nudged(self, awaitable):
        """Over long polling the client takes one message of each poll and sees the next one after the next poll only."""
        task = asyncio.ensure_future(awaitable)
        for _ in range(40):
            if TRANSPORT != "LongPolling" or (await asyncio.wait({task}, timeout=0.25))[0]:
                break
            await asyncio.to_thread(self.hub.invoke, "Nothing", [])
        return await asyncio.wait_for(task, 10)

    async def invoke(self, name, *values):
        message = await self.call(name, *values)
        if message.error:
            raise AssertionError(f"{name}: {message.error}")
        return message.result

    async def refused(self, name, *values):
        return (await self.call(name, *values)).error

    async def stream(self, name, *values):
        """Items, and the error or None. Items that come before it has subscribed are lost to the client."""
        items = []

        def subscribed():
            handler = self.hub.stream(name, list(values))
            end = lambda message: self.told(self.end, handler.invocation_id, message)
            handler.subscribe({"next": lambda item: self.told(items.append, item), "complete": end, "error": end})
            return handler.invocation_id

        message = await self.ended(await asyncio.to_thread(subscribed))
        return items, message.error or None

    def calls(self, name):
        arrivals = Arrivals()
        self.hub.on(name, lambda arguments: self.told(arrivals.add, arguments))
        return arrivals


# They are not stopped: that waits until the server sends something, see `close`.
async def connected(path, **options):
    connection = Connection(path, **options)
    await asyncio.to_thread(connection.hub.start)
    await connection.opened.some(1, f"connection to {path}")
    return connection


async def invoke(checks):
    test = await connected("/testhub")
    check = await connected("/checkhub")
    checks.equal(await test.invoke("Echo", TEXT), TEXT, "a text")
    checks.equal(await test.invoke("Echo", None), None, "null")
    checks.equal(await test.invoke("echo", "a"), "a", "a target in another case")
    checks.equal(await test.invoke("GetActiveTransportName"), TRANSPORT, "the transport")
    for i in range(20):
        checks.equal(await test.invoke("Echo", f"text {i}"), f"text {i}", "calls one after another")
    checks.equal(await check.invoke("Nothing"), None, "a method without result")
    checks.equal(await check.invoke("Add", 2_000_000_000, -3), 1_999_999_997, "a sum")
    failed = "An unexpected error occurred invoking '{}' on the server."
    error = await test.refused("ThrowException", "oh no")
    checks.equal(error, failed.format("ThrowException") + " InvalidOperationException: oh no", "a failing method")
    checks.equal(await check.refused("Fail", "secret"), failed.format("Fail"), "a failure without details")
    checks.equal(await check.refused("FailHub", "told"), failed.format("FailHub") + " HubException: told", "a failure for the client")
    error = await test.refused("NotThere")
    checks.equal(error, "Failed to invoke 'NotThere' due to an error on the server. HubException: Method does not exist.", "no such method")
    checks.says(await test.refused("Echo", 5), "InvalidDataException: Error binding arguments.", "an argument of another type")


async def receive(checks):
    test = await connected("/testhub")
    objects, messages = test.calls("CustomObject"), test.calls("Message")
    await asyncio.to_thread(test.hub.send, "SendCustomObject", [{"Name": "n", "Value": 7}])
    checks.equal(await test.nudged(objects.some(1, "CustomObject")), [[{"Name": "n", "Value": 7}]], "an object")
    for i in range(5):
        await asyncio.to_thread(test.hub.send, "InvokeWithString", [f"message {i}"])
    checks.equal(await test.nudged(messages.some(5, "Message")), [[f"message {i}"] for i in range(5)], "texts in order")
    if TRANSPORT == "LongPolling":
        return
    check = await connected("/checkhub")
    flood = check.calls("Flood")
    await asyncio.to_thread(check.hub.send, "Flood", [50, 1000])
    checks.equal(await flood.some(50, "Flood"), [[i, "x" * 1000] for i in range(50)], "50 messages in order")


async def stream(checks):
    test, check = await connected("/testhub"), await connected("/checkhub")
    checks.equal(await check.stream("Counter", 4, 300), ([0, 1, 2, 3], None), "four items")
    _, error = await check.stream("StreamFail", 3, "told")
    checks.equal(error, "An error occurred on the server while streaming results. HubException: told", "a stream that fails")
    _, error = await test.stream("StreamThrowException", "oh no")
    wanted = "An unexpected error occurred invoking 'StreamThrowException' on the server. InvalidOperationException: oh no"
    checks.equal(error, wanted, "a stream that does not begin")


async def upload(checks):
    test = await connected("/testhub")
    subject = Subject()
    await asyncio.to_thread(test.hub.send, "StreamingConcat", subject)  # never answered
    for item in "abc":
        await asyncio.to_thread(subject.next, item)
    await asyncio.to_thread(subject.complete)
    checks.equal(await test.invoke("Echo", "still"), "still", "a call after an upload without an answer")


async def data(checks):
    test = await connected("/testhub")
    check = await connected("/checkhub")
    values = [None, True, "", TEXT, [], {}, [0, -1, 128, 65_536, -(2**31) - 1, 2**53 - 1, 0.5, 1e300], {"a": {"b": [{"c": None}]}}]
    if ENCODING == "messagepack":
        values += [bytes(range(256)), os.urandom(20_000)]
    else:
        complex_object = {
            "String": "hello world",
            "IntArray": [1, 2, 3],
            "ByteArray": "AQID",
            "Guid": "00010203-0405-0607-0706-050403020100",
            "DateTime": "2000-01-01T00:00:00Z",
        }
        checks.equal(await test.invoke("SendComplexObject"), complex_object, "an object of the server")
        checks.equal(await test.invoke("EchoComplexObject", complex_object), complex_object, "the same back")
    answer = await test.invoke("SendComplexObject")
    checks.equal(answer["ByteArray"], b"\1\2\3" if ENCODING == "messagepack" else "AQID", "bytes of the server")
    for value in values:
        checks.equal(await check.invoke("EchoAny", value), value, "a value")


async def groups(checks):
    group, tag = f"g-{uuid.uuid4()}", str(uuid.uuid4())
    a, b = await connected("/checkhub"), await connected(f"/checkhub?group={group}")
    got = [connection.calls("Got") for connection in (a, b)]
    await a.invoke("Join", group)
    await b.invoke("Nothing")  # before that it might not be found
    await a.invoke("ToOthersInGroup", group, f"{tag} 1")
    await b.invoke("Leave", group)
    await b.invoke("ToGroup", group, f"{tag} 2")
    await b.invoke("ToAll", f"{tag} 3")
    for connection, arrivals, expected in ((a, got[0], ["group 2", "all 3"]), (b, got[1], ["othersInGroup 1", "all 3"])):
        own = lambda: [f"{kind} {text.split(' ')[1]}" for kind, text in arrivals.items if text.startswith(tag)]
        while len(own()) < len(expected):
            await connection.nudged(arrivals.some(len(arrivals.items) + 1, f"Got after {own()}"))
        checks.equal(own(), expected, "what came")


async def users(checks):
    user = f"user-{uuid.uuid4()}"
    token = await get(f"{URL}/generateJwtToken?user={user}")
    one, anonymous = await connected("/checkhub", token=token), await connected("/checkhub")
    checks.equal(await one.invoke("GetUserId"), user, "the user id")
    checks.equal(await one.invoke("OnlyUsers"), "welcome", "a method for users")
    checks.says(await anonymous.refused("OnlyUsers"), "because user is unauthorized", "a method for users, without one")
    got = one.calls("Got")
    await anonymous.invoke("ToUser", user, "to you")
    while ["user", "to you"] not in got.items:
        await got.some(len(got.items) + 1, "Got")
    checks.count += 1


async def close(checks):
    group = f"c-{uuid.uuid4()}"
    stopping, waking = await connected(f"/checkhub?group={group}"), await connected("/checkhub")
    stop = asyncio.create_task(asyncio.to_thread(stopping.hub.stop))
    while not stopping.closed.items:  # its reader sees the end with the next message
        await waking.call("ToGroup", group, "wake up")
    checks.equal(stopping.closed.items, [True], "on_close after stop")
    await stop
    aborted = await connected("/checkhub")
    await asyncio.to_thread(aborted.hub.send, "Abort", [])
    checks.equal(await aborted.closed.some(1, "on_close"), [True], "on_close after Abort")


async def reconnect(checks):
    test = await connected("/testhub", reconnect=True)
    first = await test.invoke("GetCallerConnectionId")
    await asyncio.to_thread(test.hub.send, "Echo", ["x" * 40_000])  # beyond the limit: the server closes
    await test.reconnected.some(1, "on_reconnect")
    second = await test.invoke("GetCallerConnectionId")
    checks.equal(first != second, True, "another id")
    checks.equal(await test.invoke("Echo", "back"), "back", "a call after reconnecting")


STORIES = {kind: globals()[kind] for kind in "invoke receive stream upload data groups users close reconnect".split()}
STORIES |= {
    "send": "the client always asks for an answer",
    "results": "the client has no client results",
    "stateful": "the client has no stateful reconnect",
}
if ENCODING == "messagepack":
    STORIES["upload"] = "the client cannot end an upload in messagepack"
if TRANSPORT == "LongPolling":
    STORIES["users"] = "the client polls without its token"


async def main():
    await measured(STORIES)
    os._exit(0)  # its threads linger


asyncio.run(main())
