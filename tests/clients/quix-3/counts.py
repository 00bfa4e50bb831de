"""quixstreams 3: an `Application` that counts in tumbling windows, whose state survives in a changelog topic.

Without --bootstrap it asks the portal that the environment names where Kafka is.

    python counts.py write --bootstrap HOST:PORT --name NAME --start MS
    python counts.py process --bootstrap HOST:PORT --name NAME --state FOLDER [--stall-after N]
    python counts.py check --bootstrap HOST:PORT --name NAME --start MS

The time of the first record must not be long ago: Kafka deletes what is old by its timestamp. Topics are NAME-input and NAME-counts, made by the library, as is the changelog. `process` ends when it has seen the last
record of each partition; with --stall-after it says so after N records and waits there to be killed, having committed every
100. `check` reads the results and compares them with a count of its own.
"""

import argparse
import json
import sys
import time

from quixstreams import Application
from quixstreams.models import TopicConfig

PARTITIONS = 2
KEYS = [f"key-{n}" for n in range(7)]
RECORDS = 1400
WINDOW_MS = 10_000
COMMIT_EVERY = 100


def timestamp(given, n):
    return given.start + n * 137


def application(given, **more):
    # None: the portal and the token of the environment say it.
    config = {"broker_address": given.bootstrap, "auto_offset_reset": "earliest", "loglevel": "WARNING"}
    # One that was killed is waited for no longer than Kafka allows.
    session = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    return Application(**config, consumer_group=f"{given.name}-{given.action}", consumer_extra_config=session, **more)


def topics(app, given):
    config = TopicConfig(num_partitions=PARTITIONS, replication_factor=1)
    of = lambda name: app.topic(f"{given.name}-{name}", value_deserializer="json", value_serializer="json", config=config)
    return of("input"), of("counts")


def write(given):
    app = application(given)
    source, _ = topics(app, given)
    with app.get_producer() as producer:
        for n in range(RECORDS):
            producer.produce(source.name, json.dumps({"n": n}), key=KEYS[n % len(KEYS)], timestamp=timestamp(given, n))
        # Past the end of every window of every key, so that all close; and the end of each partition.
        for key in KEYS:
            producer.produce(source.name, json.dumps({"n": -1}), key=key, timestamp=timestamp(given, RECORDS) + 10 * WINDOW_MS)
        for partition in range(PARTITIONS):
            producer.produce(source.name, json.dumps({"last": partition}), key="last", partition=partition, timestamp=timestamp(given, 0))
    return {"written": RECORDS + len(KEYS) + PARTITIONS}


def process(given):
    app = application(given, state_dir=given.state, commit_every=COMMIT_EVERY, commit_interval=3600)
    source, sink = topics(app, given)
    seen, ended = 0, set()

    def look(value):
        nonlocal seen
        seen += 1
        if given.stall_after == seen:
            print(json.dumps({"stalled": seen}), flush=True)
            while True:
                time.sleep(1)
        if "last" in value:
            ended.add(value["last"])
            if len(ended) == PARTITIONS:
                app.stop()

    stream = app.dataframe(source).update(look)
    stream = stream.filter(lambda value: "last" not in value)
    stream = stream.tumbling_window(WINDOW_MS).count().final()
    stream.to_topic(sink)
    app.run()
    return {"processed": seen}


def check(given):
    wanted = {}
    for n in range(RECORDS):
        window = timestamp(given, n) // WINDOW_MS * WINDOW_MS
        at = (KEYS[n % len(KEYS)], window)
        wanted[at] = wanted.get(at, 0) + 1

    app = application(given)
    _, sink = topics(app, given)
    found = {}
    with app.get_consumer(auto_commit_enable=False) as consumer:
        consumer.subscribe([sink.name])
        while len(found) < len(wanted):
            message = consumer.poll(30)
            if message is None or message.error():
                sys.exit(f"check: {len(found)} of {len(wanted)} windows: {message and message.error()}")
            value = json.loads(message.value())
            # At least once: a result may come again, but no other.
            at = (message.key().decode(), value["start"])
            if found.setdefault(at, value["value"]) != value["value"]:
                sys.exit(f"check: window {at} is {found[at]} and {value['value']}")
    for at, count in wanted.items():
        if found.get(at) != count:
            sys.exit(f"check: window {at} is {found.get(at)}, expected {count}")
    return {"windows": len(found)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["write", "process", "check"])
    parser.add_argument("--bootstrap")
    parser.add_argument("--name", required=True)
    parser.add_argument("--state", default="state")
    parser.add_argument("--start", type=int)
    parser.add_argument("--stall-after", type=int)
    given = parser.parse_args()
    print(json.dumps(globals()[given.action](given)), flush=True)


if __name__ == "__main__":
    main()
