"""pysignalr in one cell of the matrix: WebSockets, one encoding.

    python pysignalr_cell.py URL WebSockets json|messagepack
"""

import asyncio
import logging
import os
import sys
import uuid
from contextlib import asynccontextmanager

import msgpack
from pysignalr.client import SignalRClient
from pysignalr.exceptions import ServerError
from pysignalr.messages import (
    CompletionClientStreamMessage,
    CompletionMessage,
    InvocationClientStreamMessage,
    StreamInvocationMessage,
    StreamItemMessage,
)
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

from matrix import TEXT, Arrivals, get, measured

URL, _, ENCODING = sys.argv[1:4]
logging.disable(logging.CRITICAL)


class Connection:
    """A client that runs, with the messages it was sent in `received`: it tells nobody of answers to uploads."""

    def __init__(self, path, token=None):
        received = self.received = Arrivals()

        class Protocol(MessagepackProtocol if ENCODING == "messagepack" else JSONProtocol):
            def decode(self, raw):
                messages = super().decode(raw)
                for message in messages:
                    received.add(message)
                return messages

        headers = {"Authorization": f"Bearer {token}"} if token else None
        self.client = SignalRClient(URL + path, protocol=Protocol(), headers=headers)
        self.opened = asyncio.Event()
        self.client.on_open(self.on_open)
        self.client.on_error(self.on_error)

    async def on_open(self):
        self.opened.set()

    async def on_error(self, _):
        pass  # told to the call as well

    async def call(self, name, *values):
        answer = asyncio.get_running_loop().create_future()

        async def on_invocation(message):
            answer.set_result(message)

        await self.client.send(name, list(values), on_invocation)
        return await asyncio.wait_for(answer, 10)

    async def invoke(self, name, *values):
        message = await self.call(name, *values)
        if message.error is not None:
            raise AssertionError(f"{name}: {message.error}")
        return message.result

    async def refused(self, name, *values):
        return (await self.call(name, *values)).error

    async def stream(self, name, *values):
        """Items, and the error or None."""
        items, end = [], asyncio.get_running_loop().create_future()

        async def on_next(item):
            items.append(item)

        async def on_end(message):
            end.set_result(message.error)

        await self.client.stream(name, list(values), on_next, on_end, on_end)
        return items, await asyncio.wait_for(end, 10)

    def calls(self, name):
        arrivals = Arrivals()

        async def callback(arguments):
            arrivals.add(arguments)

        self.client.on(name, callback)
        return arrivals


@asynccontextmanager
async def connected(path, token=None, prepare=lambda connection: None):
    connection = Connection(path, token)
    prepare(connection)
    running = asyncio.create_task(connection.client.run())
    try:
        opening = asyncio.create_task(connection.opened.wait())
        await asyncio.wait({running, opening}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        if not connection.opened.is_set():
            raise AssertionError(f"no connection to {path}: {running.exception() if running.done() else 'too late'}")
        yield connection
    finally:
        running.cancel()
        await asyncio.wait({running})


async def invoke(checks):
    async with connected("/testhub") as test, connected("/checkhub") as check:
        checks.equal(await test.invoke("Echo", TEXT), TEXT, "a text")
        checks.equal(await test.invoke("Echo", None), None, "null")
        checks.equal(await test.invoke("echo", "a"), "a", "a target in another case")
        checks.equal(await test.invoke("GetActiveTransportName"), "WebSockets", "the transport")
        texts = [f"text {i}" for i in range(100)]
        checks.equal(await asyncio.gather(*(test.invoke("Echo", text) for text in texts)), texts, "100 calls at once")
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
        checks.says(await test.refused("Echo"), "Invocation provides 0 argument(s) but target expects 1.", "too few arguments")


async def send(checks):
    async with connected("/testhub") as test:
        messages = test.calls("Message")
        await test.client.send("NotThere", [1])
        await test.client.send("ThrowException", ["nobody hears of it"])
        await test.client.send("Echo", [5])
        for i in range(20):
            await test.client.send("InvokeWithString", [f"message {i}"])
        checks.equal(await messages.some(20, "Message"), [[f"message {i}"] for i in range(20)], "20 sends")
        checks.equal(await test.invoke("Echo", "still"), "still", "the connection lives on")
        answers = [message for message in test.received.items if isinstance(message, CompletionMessage)]
        checks.equal(len(answers), 1, "the only answer")


async def receive(checks):
    welcomes = []
    async with connected("/testhub") as test:
        objects = test.calls("CustomObject")
        await test.invoke("SendCustomObject", {"Name": "n", "Value": 7})
        await test.invoke("SendCustomObject", {})
        wanted = [[{"Name": "n", "Value": 7}], [{"Name": None, "Value": 0}]]
        checks.equal(await objects.some(2, "CustomObject"), wanted, "objects")
    async with connected("/checkhub?welcome=1", prepare=lambda check: welcomes.append(check.calls("Welcome"))) as check:
        checks.equal(len(await welcomes[0].some(1, "Welcome")), 1, "what the connect handler sends")
        flood = check.calls("Flood")
        checks.equal(await check.invoke("Flood", 300, 1000), 300, "300 messages")
        checks.equal(await flood.some(300, "Flood"), [[i, "x" * 1000] for i in range(300)], "in order")


async def stream(checks):
    async with connected("/testhub") as test, connected("/checkhub") as check:
        checks.equal(await test.stream("Stream"), (["a", "b", "c"], None), "three items")
        checks.equal(await test.stream("EmptyStream"), ([], None), "no items")
        checks.equal(await check.stream("Counter", 500, 0), (list(range(500)), None), "500 items")
        producing = "An error occurred on the server while streaming results."
        checks.equal(await check.stream("StreamFail", 3, "told"), ([0, 1, 2], producing + " HubException: told"), "a stream that fails")
        checks.equal(await check.stream("StreamFailHidden", 2, "secret"), ([0, 1], producing), "without details")
        error = "An unexpected error occurred invoking 'StreamThrowException' on the server. InvalidOperationException: oh no"
        checks.equal(await test.stream("StreamThrowException", "oh no"), ([], error), "a stream that does not begin")


async def upload(checks):
    async with connected("/testhub") as test, connected("/checkhub") as check:
        async with test.client.client_stream("StreamingConcat") as items:  # never answered
            for item in "abc":
                await items.send(item)
        checks.equal(await test.invoke("Echo", "still"), "still", "a call after an upload without an answer")

        # Its streams take no answer and no arguments, but its messages do.
        async def uploaded(connection, transport, kind, name, arguments, *streams):
            ids, invocation_id = [str(uuid.uuid4()) for _ in streams], str(uuid.uuid4())
            await transport.send(kind(invocation_id=invocation_id, stream_ids=ids, target=name, arguments=arguments))
            for stream_id, values in zip(ids, streams, strict=True):
                for value in values:
                    await transport.send(StreamItemMessage(stream_id, value))
                await transport.send(CompletionClientStreamMessage(stream_id))
            while True:
                mine = [message for message in connection.received.items if getattr(message, "invocation_id", None) == invocation_id]
                if mine and isinstance(mine[-1], CompletionMessage):
                    return mine[-1].error or mine[-1].result or [message.item for message in mine[:-1]]
                await connection.received.some(len(connection.received.items) + 1, f"message for {name}")

        async with check.client.client_stream("First") as empty:
            to_test, to_check = items.transport, empty.transport
        call = InvocationClientStreamMessage
        checks.equal(await uploaded(test, to_test, call, "StreamingConcat", [], ["a", "b", "ç"]), "abç", "three items")
        checks.equal(await uploaded(check, to_check, call, "Sum", [], range(200)), 19_900, "200 items")
        checks.equal(await uploaded(check, to_check, call, "Zip", ["-"], ["1", "2"], ["x", "y"]), "1-x 2-y", "two streams and a value")
        checks.equal(await uploaded(check, to_check, StreamInvocationMessage, "Upper", [], ["one", "two"]), ["ONE", "TWO"], "both ways")


async def results(checks):
    async with connected("/testhub") as test, connected("/checkhub") as one, connected("/checkhub?welcome=1") as other:
        address = f"{URL}/clientresult/{await test.invoke('GetCallerConnectionId')}"
        checks.equal(await get(address), "Client didn't provide a result.", "no handler")

        async def answer(_):
            return 42

        test.client.on("Result", answer)
        checks.equal(await get(address), "42", "a number")

        async def question(arguments):
            if arguments[0] == "fail":
                raise ValueError("will not say")
            return f"{arguments[0]}!"

        [other_id] = next(m.arguments for m in await other.received.some(1, "Welcome") if getattr(m, "target", None) == "Welcome")
        other.client.on("Question", question)
        checks.equal(await one.invoke("Ask", other_id, "how?"), "how?!", "another connection's answer")
        checks.says(await one.refused("Ask", other_id, "fail"), "An unexpected error occurred invoking 'Ask' on the server.", "a failing handler")


async def data(checks):
    async with connected("/testhub") as test, connected("/checkhub") as check:
        binary = ENCODING == "messagepack"
        complex_object = {
            "String": "hello world",
            "IntArray": [1, 2, 3],
            "ByteArray": b"\1\2\3" if binary else "AQID",
            "Guid": "00010203-0405-0607-0706-050403020100",
            "DateTime": msgpack.Timestamp(946_684_800) if binary else "2000-01-01T00:00:00Z",
        }
        checks.equal(await test.invoke("SendComplexObject"), complex_object, "an object of the server")
        checks.equal(await test.invoke("EchoComplexObject", complex_object), complex_object, "the same back")
        values = [None, True, "", TEXT, [], {}, [0, -1, 128, 65_536, -(2**31) - 1, 2**53 - 1, 0.5, 1e300], {"a": {"b": [{"c": None}]}}]
        if binary:
            values += [bytes(range(256)), os.urandom(20_000), 2**64 - 1, -(2**63), msgpack.Timestamp(1, 5), msgpack.ExtType(42, b"any")]
        for value in values:
            checks.equal(await check.invoke("EchoAny", value), value, "a value")


async def groups(checks):
    group, tag = f"g-{uuid.uuid4()}", str(uuid.uuid4())
    async with connected("/checkhub?welcome=1") as a, connected(f"/checkhub?group={group}&welcome=1") as b:
        ids = []
        for connection in (a, b):
            await connection.received.some(1, "Welcome")
            ids.append(next(m.arguments[0] for m in connection.received.items if getattr(m, "target", None) == "Welcome"))
        got = [connection.calls("Got") for connection in (a, b)]
        await a.invoke("Join", group)
        await a.invoke("ToGroup", group, f"{tag} 1")
        await a.invoke("ToOthersInGroup", group, f"{tag} 2")
        await b.invoke("ToGroupExcept", group, [ids[1]], f"{tag} 3")
        await b.invoke("Leave", group)
        await a.invoke("ToGroups", [group], f"{tag} 4")
        await a.invoke("ToAll", f"{tag} 5")
        for connection_id in ids:
            await a.invoke("ToConnection", connection_id, f"{tag} end")
        wanted = [["group 1", "groupExcept 3", "groups 4", "all 5", "connection end"], ["group 1", "othersInGroup 2", "all 5", "connection end"]]
        for arrivals, expected in zip(got, wanted, strict=True):
            own = lambda: [f"{kind} {text.split(' ')[1]}" for kind, text in arrivals.items if text.startswith(tag)]
            while not (own() and own()[-1].endswith("end")):
                await arrivals.some(len(arrivals.items) + 1, "Got")
            checks.equal(own(), expected, "what came")


async def users(checks):
    user = f"user-{uuid.uuid4()}"
    token = await get(f"{URL}/generateJwtToken?user={user}")
    async with connected("/checkhub", token) as one, connected("/checkhub") as anonymous, connected("/authorizedhub", token) as authorized:
        checks.equal(await one.invoke("GetUserId"), user, "the user id")
        checks.equal(await one.invoke("OnlyUsers"), "welcome", "a method for users")
        checks.says(await anonymous.refused("OnlyUsers"), "because user is unauthorized", "a method for users, without one")
        got = one.calls("Got")
        await anonymous.invoke("ToUser", user, "to you")
        while ["user", "to you"] not in got.items:
            await got.some(len(got.items) + 1, "Got")
        checks.count += 1
        checks.equal(await authorized.invoke("Echo", "in"), "in", "a hub for users")
    try:
        await Connection("/authorizedhub").client.run()
    except Exception as error:
        checks.equal(type(error).__name__, "AuthorizationError", "a hub for users, without one")


async def close(checks):
    for path, text in (("/checkhub?fail=1", "Connection closed with an error."), ("/uncreatable", "Unable to resolve service for type 'System.Object'")):
        try:
            await Connection(path).client.run()
        except ServerError as error:
            checks.says(error, text, path)


asyncio.run(
    measured({kind: globals()[kind] for kind in "invoke send receive stream upload results data groups users close".split()}
             | {"reconnect": "the client reconnects with its old id", "stateful": "the client has no stateful reconnect"})
)
