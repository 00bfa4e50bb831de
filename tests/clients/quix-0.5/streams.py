"""quixstreams 0.5.7, `KafkaStreamingClient`: streams of all kinds of data, written, and read back by the same library.

    python streams.py write|read --bootstrap HOST:PORT --topic NAME

`read` ends when every stream has been closed, and fails where what it saw is not what `write` wrote.
"""

import argparse
import json
import os
import sys
import threading
from datetime import datetime, timezone

import quixstreams as qx

TIME = 1_700_000_000_123_456_700
BURST = 200


def write(client, topic):
    producer = client.get_topic_producer(topic)

    stream = producer.create_stream("properties")
    stream.properties.name = "Car A – první"
    stream.properties.location = "/cars/ai/carA/"
    stream.properties.metadata["engine"] = "V8"
    stream.properties.parents.append("parent-1")
    stream.properties.time_of_recording = datetime(2024, 2, 29, 12, 30, 15, tzinfo=timezone.utc)
    stream.properties.flush()
    stream.close()

    stream = producer.create_stream("definitions")
    stream.timeseries.add_definition("gear", "Gear", "Selected gear").set_range(-1, 8).set_unit("no").set_format("{0}")
    stream.timeseries.add_location("/chassis/front").add_definition("speed", "Speed")
    stream.timeseries.flush()
    stream.events.add_definition("lap", "Lap", "A lap was finished").set_level(qx.EventLevel.Critical)
    stream.events.flush()
    stream.close()

    stream = producer.create_stream("events")
    stream.events.add_timestamp_nanoseconds(TIME).add_value("mouse position", '{"x":12,"y":34}').add_tag("mousestatus", "tracking").publish()
    stream.events.add_timestamp_nanoseconds(TIME + 1).add_value("plain", "text – ü").publish()
    stream.events.flush()
    stream.close()

    stream = producer.create_stream("parameters")
    data = qx.TimeseriesData()
    for n in range(3):
        data.add_timestamp_nanoseconds(TIME + n * 1_000_000).add_value("speed", 10.5 + n).add_value("driver", f"d{n}").add_value(
            "frame", bytes([0, 1, 254, 255, n])
        ).add_tag("lap", str(n))
    stream.timeseries.publish(data)
    stream.timeseries.flush()
    stream.close(qx.StreamEndType.Aborted)

    stream = producer.create_stream("burst")
    for n in range(BURST):
        stream.events.add_timestamp_nanoseconds(TIME + n).add_value("tick", str(n)).publish()
    stream.events.flush()
    stream.close()

    producer.flush()
    producer.dispose()
    return {"written": True}


EXPECTED = {
    "properties": [
        ["properties", "Car A – první", "/cars/ai/carA/", {"engine": "V8"}, ["parent-1"], "2024-02-29T12:30:15"],
        ["closed", "Closed"],
    ],
    "definitions": [
        ["properties", None, None, {}, [], None],
        ["parameter definitions", ["gear", "Gear", "Selected gear", "", -1.0, 8.0, "no", "{0}"], ["speed", "Speed", None, "/chassis/front", None, None, None, None]],
        ["event definitions", ["lap", "Lap", "A lap was finished", "", "Critical"]],
        ["closed", "Closed"],
    ],
    "events": [
        ["properties", None, None, {}, [], None],
        ["event", TIME, "mouse position", '{"x":12,"y":34}', {"mousestatus": "tracking"}],
        ["event", TIME + 1, "plain", "text – ü", {}],
        ["closed", "Closed"],
    ],
    "parameters": [
        ["properties", None, None, {}, [], None],
        [
            "parameters",
            [TIME, TIME + 1_000_000, TIME + 2_000_000],
            {"speed": [10.5, 11.5, 12.5]},
            {"driver": ["d0", "d1", "d2"]},
            {"frame": ["0001feff00", "0001feff01", "0001feff02"]},
            {"lap": ["0", "1", "2"]},
        ],
        ["closed", "Aborted"],
    ],
    "burst": [
        ["properties", None, None, {}, [], None],
        *(["event", TIME + n, "tick", str(n), {}] for n in range(BURST)),
        ["closed", "Closed"],
    ],
}


def read(client, topic):
    consumer = client.get_topic_consumer(topic, "readers", auto_offset_reset=qx.AutoOffsetReset.Earliest)
    seen, all_closed = {}, threading.Event()

    def received(stream):
        callbacks = seen.setdefault(stream.stream_id, [])

        def properties(stream):
            p = stream.properties
            time = p.time_of_recording and p.time_of_recording.strftime("%Y-%m-%dT%H:%M:%S")
            callbacks.append(["properties", p.name, p.location, dict(p.metadata), list(p.parents), time])

        def parameter_definitions(stream):
            fields = ("id", "name", "description", "location", "minimum_value", "maximum_value", "unit", "format")
            callbacks.append(["parameter definitions", *([getattr(d, f) for f in fields] for d in stream.timeseries.definitions)])

        def event_definitions(stream):
            fields = ("id", "name", "description", "location")
            definitions = stream.events.definitions
            callbacks.append(["event definitions", *([getattr(d, f) for f in fields] + [d.level.name] for d in definitions)])

        def parameters(stream, data):
            binary = {name: [bytes(value).hex() for value in values] for name, values in data.binary_values.items()}
            numeric = {name: list(values) for name, values in data.numeric_values.items()}
            string = {name: list(values) for name, values in data.string_values.items()}
            tags = {name: list(values) for name, values in data.tag_values.items()}
            callbacks.append(["parameters", list(data.timestamps), numeric, string, binary, tags])

        def event(stream, event):
            callbacks.append(["event", event.timestamp_nanoseconds, event.id, event.value, dict(event.tags)])

        def closed(stream, end):
            callbacks.append(["closed", end.name])
            if all(seen.get(name, [[None]])[-1][0] == "closed" for name in EXPECTED):
                all_closed.set()

        stream.properties.on_changed = properties
        stream.timeseries.on_definitions_changed = parameter_definitions
        stream.timeseries.on_raw_received = parameters
        stream.events.on_definitions_changed = event_definitions
        stream.events.on_data_received = event
        stream.on_stream_closed = closed

    consumer.on_stream_received = received
    consumer.subscribe()
    all_closed.wait(60)
    consumer.commit()
    consumer.dispose()
    for name, wanted in EXPECTED.items():
        for n, one in enumerate(wanted):
            found = seen.get(name, [])[n : n + 1]
            if found != [one]:
                raise AssertionError(f"stream {name}, callback {n}: {found}, expected {one}")
    if seen != EXPECTED:
        raise AssertionError(f"more than expected: { {name: len(callbacks) for name, callbacks in seen.items()} }")
    return {"read": sum(map(len, seen.values()))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["write", "read"])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    given = parser.parse_args()
    client = qx.KafkaStreamingClient(given.bootstrap)
    code = 0
    try:
        print(json.dumps(globals()[given.action](client, given.topic)), flush=True)
    except BaseException as failure:
        print(f"{given.action}: {failure!r}", file=sys.stderr, flush=True)
        code = 1
    # The .NET runtime below has threads that outlive main.
    os._exit(code)


if __name__ == "__main__":
    main()
