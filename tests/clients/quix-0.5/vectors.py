"""quixstreams 0.5.7: writes by the library's own calls what the captured vectors were called back as, or prints callbacks.

    python vectors.py write --bootstrap HOST:PORT --topic NAME --vectors FOLDER --codec json|compact|protobuf
    python vectors.py read --bootstrap HOST:PORT --topic NAME --streams N

`write` makes a stream SCENARIO.CODEC of each vector. `read` prints a line of JSON for each callback, in the vectors' shape,
until N streams have been closed.
"""

import argparse
import base64
import json
import os
import pathlib
import sys
import threading
from datetime import datetime, timezone

import pandas
import quixstreams as qx

CODECS = {"json": qx.CodecType.Json, "compact": qx.CodecType.CompactJsonForBetterPerformance, "protobuf": qx.CodecType.Protobuf}
FROM_TEXT = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def write(client, given):
    qx.CodecSettings.set_global_codec_type(CODECS[given.codec])
    producer = client.get_topic_producer(given.topic)
    written = 0
    for path in sorted(pathlib.Path(given.vectors).glob("v05-*-json.json")):
        vector = json.loads(path.read_text())
        scenario = vector["scenario"]
        if scenario == "generated_id":
            continue  # its stream id is the library's choice
        stream = producer.create_stream(f"{scenario}.{given.codec}")
        stream.timeseries.buffer.packet_size = 100  # more than there is: what is flushed is what was put in
        for callback in vector["read_by_v05"]:
            WRITERS[callback["callback"]](stream, callback, scenario)
        written += 1
    producer.flush()
    producer.dispose()
    print(json.dumps({"written": written}), flush=True)


def write_properties(stream, callback, _):
    properties = stream.properties
    for name in ("name", "location"):
        if callback[name] is not None:
            setattr(properties, name, callback[name])
    for key, value in callback["metadata"].items():
        properties.metadata[key] = value
    for parent in callback["parents"][len(properties.parents) :]:
        properties.parents.append(parent)
    if callback["time_of_recording"]:
        properties.time_of_recording = datetime.fromisoformat(callback["time_of_recording"]).replace(tzinfo=timezone.utc)
    if callback["name"] is not None:
        properties.flush()


def write_parameter_definitions(stream, callback, _):
    for definition in callback["definitions"]:
        at = stream.timeseries.add_location(definition["location"]) if definition["location"] else stream.timeseries
        made = at.add_definition(definition["id"], definition["name"], definition["description"])
        if definition["min"] is not None:
            made.set_range(definition["min"], definition["max"])
        if definition["unit"] is not None:
            made.set_unit(definition["unit"])
        if definition["format"] is not None:
            made.set_format(definition["format"])
        if definition["custom"] is not None:
            made.set_custom_properties(definition["custom"])
    stream.timeseries.flush()


def write_event_definitions(stream, callback, _):
    for definition in callback["definitions"]:
        at = stream.events.add_location(definition["location"]) if definition["location"] else stream.events
        made = at.add_definition(definition["id"], definition["name"], definition["description"])
        made.set_level(qx.EventLevel[definition["level"]])
        if definition["custom"] is not None:
            made.set_custom_properties(definition["custom"])
    stream.events.flush()


def write_timeseries(stream, callback, scenario):
    if scenario == "timeseries_raw":
        raw = qx.TimeseriesDataRaw()
        binary = {name: [decoded(value) for value in values] for name, values in callback["binary"].items()}
        raw.set_values(callback["epoch"], callback["timestamps"], callback["numeric"], callback["string"], binary, callback["tags"])
        stream.timeseries.publish(raw)
    elif scenario == "timeseries_frame":
        columns = {"timestamp": callback["timestamps"], **callback["numeric"], **callback["string"]}
        columns |= {f"TAG__{name}": values for name, values in callback["tags"].items()}
        stream.timeseries.publish(pandas.DataFrame(columns))
    elif scenario == "timeseries_buffer":
        for row in range(len(callback["timestamps"])):
            fill(stream.timeseries.buffer.add_timestamp_nanoseconds(callback["timestamps"][row]), callback, row).publish()
        stream.timeseries.flush()
    else:
        data = qx.TimeseriesData()
        for row, time in enumerate(callback["timestamps"]):
            fill(data.add_timestamp_nanoseconds(time), callback, row)
        stream.timeseries.publish(data)


def fill(row_of_data, callback, row):
    for name, values in callback["numeric"].items():
        if values[row] is not None:
            row_of_data.add_value(name, FROM_TEXT.get(values[row], values[row]) if isinstance(values[row], str) else values[row])
    for name, values in callback["string"].items():
        if values[row] is not None:
            row_of_data.add_value(name, values[row])
    for name, values in callback["binary"].items():
        if values[row] is not None:
            row_of_data.add_value(name, decoded(values[row]))
    for name, values in callback["tags"].items():
        if values[row] is not None:
            row_of_data.add_tag(name, values[row])
    return row_of_data


def write_event(stream, callback, _):
    value = callback["value"]
    if isinstance(value, dict):
        value = "0123456789" * (value["characters"] // 10)
    event = stream.events.add_timestamp_nanoseconds(callback["timestamp"]).add_value(callback["id"], value)
    for tag, text in callback["tags"].items():
        event.add_tag(tag, text)
    event.publish()
    stream.events.flush()


WRITERS = {
    "stream": lambda stream, callback, scenario: None,
    "properties": write_properties,
    "parameter definitions": write_parameter_definitions,
    "event definitions": write_event_definitions,
    "timeseries": write_timeseries,
    "event": write_event,
    "closed": lambda stream, callback, scenario: stream.close(qx.StreamEndType[callback["end"]]),
}


def read(client, given):
    consumer = client.get_topic_consumer(given.topic, "vectors", auto_offset_reset=qx.AutoOffsetReset.Earliest)
    lock, all_closed, open_streams = threading.Lock(), threading.Event(), [given.streams]

    def called(callback, stream, **content):
        with lock:
            print(json.dumps({"callback": callback, "stream": stream.stream_id, **content}), flush=True)
            if callback == "closed":
                open_streams[0] -= 1
                if open_streams[0] == 0:
                    all_closed.set()

    def properties(stream):
        p = stream.properties
        time = p.time_of_recording and p.time_of_recording.isoformat()
        content = {"name": p.name, "location": p.location, "metadata": dict(p.metadata), "parents": list(p.parents)}
        called("properties", stream, **content, time_of_recording=time)

    def parameter_definitions(stream):
        fields = {"id": "id", "name": "name", "description": "description", "location": "location", "min": "minimum_value",
                  "max": "maximum_value", "unit": "unit", "format": "format", "custom": "custom_properties"}
        definitions = [{key: getattr(one, field) for key, field in fields.items()} for one in stream.timeseries.definitions]
        called("parameter definitions", stream, definitions=definitions)

    def event_definitions(stream):
        fields = {"id": "id", "name": "name", "description": "description", "location": "location", "custom": "custom_properties"}
        found = stream.events.definitions
        definitions = [{key: getattr(one, field) for key, field in fields.items()} | {"level": one.level.name} for one in found]
        called("event definitions", stream, definitions=definitions)

    def timeseries(stream, data):
        content = {"epoch": data.epoch, "timestamps": list(data.timestamps), "binary": binary_of(data)}
        content["numeric"] = {name: [shown(value) for value in values] for name, values in data.numeric_values.items()}
        content["string"] = {name: list(values) for name, values in data.string_values.items()}
        content["tags"] = {name: list(values) for name, values in data.tag_values.items()}
        called("timeseries", stream, **content)

    def event(stream, data):
        called("event", stream, timestamp=data.timestamp_nanoseconds, id=data.id, value=data.value, tags=dict(data.tags))

    def received(stream):
        stream.properties.on_changed = properties
        stream.timeseries.on_definitions_changed = parameter_definitions
        stream.timeseries.on_raw_received = timeseries
        stream.events.on_definitions_changed = event_definitions
        stream.events.on_data_received = event
        stream.on_stream_closed = lambda stream, end: called("closed", stream, end=end.name)

    consumer.on_stream_received = received
    consumer.subscribe()
    is_whole = all_closed.wait(60)
    consumer.dispose()
    if not is_whole:
        raise AssertionError(f"{open_streams[0]} streams have not been closed")


def binary_of(data):
    """`binary_values`, which fails where one is missing, by way of the rows."""
    rows = [row.parameters for row in data.convert_to_timeseriesdata().timestamps]
    names = sorted({name for row in rows for name, value in row.items() if value.type == qx.ParameterValueType.Binary})
    values = {name: [row[name].binary_value if name in row else None for row in rows] for name in names}
    return {name: [value if value is None else base64.b64encode(value).decode() for value in column] for name, column in values.items()}


def decoded(text):
    return text if text is None else base64.b64decode(text)


def shown(number):
    if number is None:
        return None
    if number != number:
        return "nan"
    return {float("inf"): "inf", float("-inf"): "-inf"}.get(number, number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["write", "read"])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--vectors")
    parser.add_argument("--codec", choices=CODECS)
    parser.add_argument("--streams", type=int)
    given = parser.parse_args()
    code = 0
    try:
        globals()[given.action](qx.KafkaStreamingClient(given.bootstrap), given)
    except BaseException as failure:
        print(f"{given.action}: {failure!r}", file=sys.stderr, flush=True)
        code = 1
    # The .NET runtime below has threads that outlive main.
    os._exit(code)


if __name__ == "__main__":
    main()
