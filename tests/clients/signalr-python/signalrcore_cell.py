"""signalrcore in one cell of the matrix: one transport, one encoding.

    python signalrcore_cell.py URL WebSockets|ServerSentEvents|LongPolling json|messagepack
"""

import asyncio
import logging
import os
import sys
import uuid
from contextlib import asynccontextmanager

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

    def end(self, invocation_id, message):
        future = self.pending.pop(invocation_id, None)
        if future and not future.done():
            future.set_result(message)

    def expected(self, invocation_id):
        future = self.pending[invocation_id] = self.loop.create_future()
        return future

    async def call(self, name, *values):
        invocation_id = str(uuid.uuid4())
        answer = self.expected(invocation_id)
        await asyncio.to_thread(self.hub.invoke, name, list(values), lambda message: self.told(self.end, invocation_id, message), invocation_id)
        return await asyncio.wait_for(answer, 10)

    async def invoke(self, name, *values):
        message = await self.call(name, *values)
        if message.error:
            raise AssertionError(f"{name}: {message.error}")
        return message.result

    async def refused(self, name, *values):
        return (await self.call(name, *values)).error

    async def stream(self, name, *values):
        """Items, and the error or None."""
        items = []
        handler = await asyncio.to_thread(self.hub.stream, name, list(values))
        end = self.expected(handler.invocation_id)
        handler.subscribe(
            {
                "next": lambda item: self.told(items.append, item),
                "complete": lambda message: self.told(self.end, handler.invocation_id, message),
                "error": lambda message: self.told(self.end, handler.invocation_id, message),
            }
        )
        error = (await asyncio.wait_for(end, 10)).error
        return items, error or None

    def calls(self, name):
        arrivals = Arrivals()
        self.hub.on(name, lambda arguments: self.told(arrivals.add, arguments))
        return arrivals


@asynccontextmanager
async def connected(path, prepare=lambda connection: None, **options):
    connection = Connection(path, **options)
    prepare(connection)
    await asyncio.to_thread(connection.hub.start)
    try:
        await connection.opened.some(1, f"connection to {path}")
        yield connection
    finally:
        await asyncio.to_thread(connection.hub.stop)


async def invoke(checks):
    async with connected("/testhub") as test, connected("/checkhub") as check:
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
    async with connected("/testhub") as test:
        objects, messages = test.calls("CustomObject"), test.calls("Message")
        await asyncio.to_thread(test.hub.send, "SendCustomObject", [{"Name": "n", "Value": 7}])
        checks.equal(await objects.some(1, "CustomObject"), [[{"Name": "n", "Value": 7}]], "an object")
        for i in range(5):
            await asyncio.to_thread(test.hub.send, "InvokeWithString", [f"message {i}"])
        checks.equal(await messages.some(5, "Message"), [[f"message {i}"] for i in range(5)], "texts in order")
    async with connected("/checkhub") as check:
        flood = check.calls("Flood")
        await asyncio.to_thread(check.hub.send, "Flood", [50, 1000])
        checks.equal(await flood.some(50, "Flood"), [[i, "x" * 1000] for i in range(50)], "50 messages in order")


async def stream(checks):
    async with connected("/testhub") as test, connected("/checkhub") as check:
        checks.equal(await test.stream("Stream"), (["a", "b", "c"], None), "three items")
        checks.equal(await test.stream("EmptyStream"), ([], None), "no items")
        checks.equal(await check.stream("Counter", 100, 0), (list(range(100)), None), "100 items")
        producing = "An error occurred on the server while streaming results."
        checks.equal(await check.stream("StreamFail", 3, "told"), ([0, 1, 2], producing + " HubException: told"), "a stream that fails")
        error = "An unexpected error occurred invoking 'StreamThrowException' on the server. InvalidOperationException: oh no"
        checks.equal(await test.stream("StreamThrowException", "oh no"), ([], error), "a stream that does not begin")


async def upload(checks):
    async with connected("/testhub") as test:
        subject = Subject()
        await asyncio.to_thread(test.hub.send, "StreamingConcat", subject)  # never answered
        for item in "abc":
            await asyncio.to_thread(subject.next, item)
        await asyncio.to_thread(subject.complete)
        checks.equal(await test.invoke("Echo", "still"), "still", "a call after an upload without an answer")


async def data(checks):
    async with connected("/testhub") as test, connected("/checkhub") as check:
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
    async with connected("/checkhub") as a, connected(f"/checkhub?group={group}") as b:
        got = [connection.calls("Got") for connection in (a, b)]
        await a.invoke("Join", group)
        await a.invoke("ToOthersInGroup", group, f"{tag} 1")
        await got[1].some(1, "Got")
        await b.invoke("Leave", group)
        await b.invoke("ToGroup", group, f"{tag} 2")
        await b.invoke("ToAll", f"{tag} 3")
        for arrivals, expected in zip(got, (["group 2", "all 3"], ["othersInGroup 1", "all 3"]), strict=True):
            own = lambda: [f"{kind} {text.split(' ')[1]}" for kind, text in arrivals.items if text.startswith(tag)]
            while len(own()) < len(expected):
                await arrivals.some(len(arrivals.items) + 1, f"Got after {own()}")
            checks.equal(own(), expected, "what came")


async def users(checks):
    user = f"user-{uuid.uuid4()}"
    token = await get(f"{URL}/generateJwtToken?user={user}")
    async with connected("/checkhub", token=token) as one, connected("/checkhub") as anonymous:
        checks.equal(await one.invoke("GetUserId"), user, "the user id")
        checks.equal(await one.invoke("OnlyUsers"), "welcome", "a method for users")
        checks.says(await anonymous.refused("OnlyUsers"), "because user is unauthorized", "a method for users, without one")
        got = one.calls("Got")
        await anonymous.invoke("ToUser", user, "to you")
        while ["user", "to you"] not in got.items:
            await got.some(len(got.items) + 1, "Got")
        checks.count += 1


async def close(checks):
    connection = Connection("/testhub")
    await asyncio.to_thread(connection.hub.start)
    await connection.opened.some(1, "connection")
    await asyncio.to_thread(connection.hub.stop)
    checks.equal(await connection.closed.some(1, "on_close"), [True], "on_close after stop")
    aborted = Connection("/checkhub")
    await asyncio.to_thread(aborted.hub.start)
    await aborted.opened.some(1, "connection")
    await asyncio.to_thread(aborted.hub.send, "Abort", [])
    checks.equal(await aborted.closed.some(1, "on_close"), [True], "on_close after Abort")


async def reconnect(checks):
    async with connected("/testhub", reconnect=True) as test:
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
asyncio.run(measured(STORIES))
os._exit(0)  # its threads may linger
