"""What every client must see of a broker. A client is an adapter of a library (`Client` in confluent.py, kafka_python.py,
aio.py); expectations are Apache Kafka's and stand here only, once.

    python confluent.py SCENARIO --bootstrap HOST:PORT [...]

A scenario prints a line of JSON when it holds; otherwise it ends with a message and exit code 1. `member` and `write` run
until their standard input closes, and print a line of JSON for all that happens to them.
"""

import argparse
import dataclasses
import json
import os
import select
import sys
import time

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]

# Kafka's error codes.
OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
MESSAGE_TOO_LARGE = 10
TOPIC_ALREADY_EXISTS = 36
TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53


class Refused(Exception):
    """The broker answered with this error code."""

    def __init__(self, code, text=""):
        super().__init__(f"{code}: {text}")
        self.code = code


class CommitLost(Exception):
    """A commit that was not made, because the group has moved on or the broker is away; its records may come again."""


@dataclasses.dataclass(frozen=True)
class Record:
    partition: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple = ()
    timestamp: int | None = None
    offset: int | None = None


def records(client, topic):
    """Topics are made, grown and deleted; records keep all they have, in every codec, with and without idempotence; reading
    begins where it is told to, by offset and by time."""
    client.create_topic(topic, 3)
    refused(TOPIC_ALREADY_EXISTS, "a second creation", lambda: client.create_topic(topic, 3))
    equal("topics listed", topic in client.topics(), True)
    equal("partitions", client.partitions(topic), 3)

    written = []
    # Not long ago: Kafka deletes what is old by its timestamp.
    start = int(time.time()) * 1000 - 3_600_000
    for codec in CODECS:
        for idempotent in (True, False):
            of_round = [example(len(written) + n, codec, start, client.null_headers) for n in range(60)]
            offsets = client.produce(topic, of_round, compression=codec, idempotent=idempotent)
            written += [dataclasses.replace(record, offset=offset) for record, offset in zip(of_round, offsets)]
    by_partition = {p: [record for record in written if record.partition == p] for p in range(3)}
    for partition, of_partition in by_partition.items():
        offsets = [record.offset for record in of_partition]
        equal(f"offsets of partition {partition}", offsets, list(range(len(of_partition))))

    equal("first offsets", client.first_offsets(topic, [0, 1, 2]), {0: 0, 1: 0, 2: 0})
    ends = {p: len(of_partition) for p, of_partition in by_partition.items()}
    equal("end offsets", client.end_offsets(topic, [0, 1, 2]), ends)

    read = client.read(topic, {0: 0, 1: 0, 2: 0}, len(written))
    for partition, of_partition in by_partition.items():
        equal_lists(f"partition {partition}", [r for r in read if r.partition == partition], of_partition)
    # Inside a batch, whatever the codec.
    for offset in range(7, ends[1], 40):
        equal_lists(f"from offset {offset}", client.read(topic, {1: offset}, 3)[:3], by_partition[1][offset : offset + 3])

    for offset in range(5, ends[2], 40):
        at = by_partition[2][offset].timestamp
        equal(f"offset at the time of {offset}", client.offsets_for_times(topic, {2: at}), {2: offset})
        equal(f"offset between {offset} and the next", client.offsets_for_times(topic, {2: at + 1}), {2: offset + 1})
    early, late = by_partition[0][0].timestamp - 1, by_partition[0][-1].timestamp + 1
    equal("offset at a time before all", client.offsets_for_times(topic, {0: early}), {0: 0})
    equal("offset at a time after all", client.offsets_for_times(topic, {0: late}), {0: None})

    client.grow(topic, 5)
    equal("partitions, grown", client.partitions(topic), 5)
    offsets = client.produce(topic, [Record(4, b"in the new one")])
    equal("first offset of a new partition", offsets, [0])
    client.delete_topic(topic)
    refused(UNKNOWN_TOPIC_OR_PARTITION, "a deleted topic", lambda: client.partitions(topic))
    return {"records": len(written)}


def example(n, codec, start, null_headers):
    """Every kind of key, value and header; a second between one record of a partition and its next."""
    headers = [
        (),
        (("name", b"value"),),
        (("again", b"1"), ("other", b"\x00\xff"), ("again", b"2"), ("null", None if null_headers else b""), ("empty", b""), ("", b"no name"), ("ü", b"x")),
    ]
    keys = [None, b"", b"key", "schlüssel".encode()]
    values = [None, b"", f"{codec} {n} ".encode() * 20]
    return Record(
        partition=n % 3,
        key=keys[n % 4],
        # Not where the key is null: pure Python clients refuse to send nothing at all.
        value=values[n // 10 % 3 if n % 10 == 5 else 2],
        headers=headers[n // 3 % 3],
        timestamp=start + n * 1000,
    )


def limits(client, topic, too_large):
    """acks 0, 1 and all; what is too large, missing or out of range is refused by its name; much is read at once."""
    client.create_topic(topic, 1)
    for round, acks in enumerate((0, 1, "all")):
        values = [f"{acks} {n}".encode() for n in range(10)]
        client.produce(topic, [Record(0, value) for value in values], acks=acks, idempotent=False)
        # With acks=0 this is how to know that they have arrived.
        read = client.read(topic, {0: 10 * round}, 10)
        equal("values by acks", [record.value for record in read], values)

    for idempotent in (False, True):
        large = [Record(0, os.urandom(too_large))]
        refused(MESSAGE_TOO_LARGE, "a record too large", lambda: client.produce(topic, large, idempotent=idempotent))
    equal("the next record", client.produce(topic, [Record(0, b"next")]), [30])

    refused(UNKNOWN_TOPIC_OR_PARTITION, "a missing topic", lambda: client.partitions(topic + "-missing"))
    refused(UNKNOWN_TOPIC_OR_PARTITION, "its deletion", lambda: client.delete_topic(topic + "-missing"))
    refused(OFFSET_OUT_OF_RANGE, "a read past the end", lambda: client.read(topic, {0: 1_000_000}, 1))

    megabytes = [Record(0, os.urandom(700_000)) for _ in range(6)]
    client.produce(topic, megabytes)
    read = client.read(topic, {0: 31}, 6)
    equal("large records are whole", [r.value for r in read] == [r.value for r in megabytes], True)
    # A first batch comes even when it is more than was asked for.
    one = client.read(topic, {0: 31}, 1, fetch_bytes=1000)
    equal("a record larger than the fetch", one[0].value == megabytes[0].value, True)
    return {"bytes": sum(len(record.value) for record in megabytes)}


def transactions(client, topic, expect):
    """Where the broker has transactions they work; where it has not, that is an error at once, not a wait."""
    client.create_topic(topic, 1)
    began = time.monotonic()
    if expect == "work":
        client.transact(topic, "some-id", [Record(0, b"in a transaction")])
        equal("committed", [record.value for record in client.read(topic, {0: 0}, 1)], [b"in a transaction"])
    else:
        transact = lambda: client.transact(topic, "some-id", [Record(0, b"in a transaction")])
        refused(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "a transactional id", transact)
        equal("written", client.end_offsets(topic, [0]), {0: 0})
    return {"seconds": round(time.monotonic() - began, 1)}


def create(client, topic, partitions):
    """A topic for `member` and `write`."""
    client.create_topic(topic, partitions)
    return {"partitions": partitions}


def write(client, topic, partitions):
    """Records `partition:n` into each partition, n from its end offset on, until input closes: so each record tells its
    own offset, and one lost, doubled or out of order shows."""
    ends = client.end_offsets(topic, list(range(partitions)))
    writer = client.writer(topic)
    sent = []
    say({"writing": ends})
    while not told_to_stop(0.05):
        for partition in range(partitions):
            n = ends[partition]
            ends[partition] += 1
            sent.append(Record(partition, f"{partition}:{n}".encode(), offset=n))
            writer.send(sent[-1])
    equal_lists("acknowledged offsets", writer.finish(), [record.offset for record in sent])
    return {"written": ends}


def member(client, topic, group, session_ms):
    """A member of a group: commits what it has read, and says what it owns, has processed and committed. Leaves when input
    closes."""
    membership = client.join(topic, group, session_ms)
    owned = None
    while not told_to_stop(0):
        polled = membership.poll()
        if membership.owned() != owned:
            owned = membership.owned()
            say({"owns": sorted(owned)})
        if not polled:
            continue
        ranges, following = {}, {}
        for record in polled:
            equal("a record's value", record.value, f"{record.partition}:{record.offset}".encode())
            first, last = ranges.get(record.partition, (record.offset, record.offset - 1))
            equal(f"next offset of partition {record.partition}", record.offset, last + 1)
            ranges[record.partition] = (first, record.offset)
            following[record.partition] = record.offset + 1
        say({"processed": ranges})
        # Both ends of the call, so that commits of different members can be put in order.
        began = time.time()
        try:
            membership.commit(following)
        except CommitLost as lost:
            say({"commit_lost": str(lost)})
            continue
        say({"committed": following, "began": began, "ended": time.time()})
    membership.leave()
    return {"left": True}


def main(client_class):
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=["records", "limits", "transactions", "create", "write", "member"])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", type=int)
    parser.add_argument("--group")
    parser.add_argument("--session-ms", type=int)
    parser.add_argument("--too-large", type=int, help="bytes of a record that the broker must refuse")
    parser.add_argument("--expect", choices=["work", "refused"], help="what transactions do")
    given = vars(parser.parse_args())
    scenario = globals()[given.pop("scenario")]
    client = client_class(given.pop("bootstrap"))
    try:
        say(scenario(client, **{name: value for name, value in given.items() if value is not None}))
    except AssertionError as failed:
        sys.exit(f"{scenario.__name__}: {failed}")
    finally:
        client.close()


def say(line):
    print(json.dumps(line), flush=True)


def told_to_stop(patience):
    """Whether standard input has closed."""
    readable, _, _ = select.select([0], [], [], patience)
    return bool(readable) and os.read(0, 100) == b""


def equal(what, found, wanted):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r}, expected {wanted!r}")


def equal_lists(what, found, wanted):
    for n, (one, other) in enumerate(zip(found, wanted)):
        equal(f"{what}, number {n}", one, other)
    equal(f"{what}, how many", len(found), len(wanted))


def refused(code, what, action):
    try:
        result = action()
    except Refused as error:
        equal(f"error code of {what} ({error})", error.code, code)
    else:
        raise AssertionError(f"{what} was not refused: {result!r}")
