"""quixstreams 3: writes what the captured vectors were read as, in each of its forms, or prints what an application gets.

    python vectors.py write --bootstrap HOST:PORT --topic NAME --state FOLDER --vectors FOLDER
    python vectors.py read --bootstrap HOST:PORT --topic NAME --state FOLDER --rows N

`write` makes a stream of each form, named like its vector, by an application that takes it from the topic NAME-input. `read` is an application with the deserializer `quix` and no error
handler, so that it ends at the first record it does not understand; it prints a line of JSON per row, bytes as
`{"base64": TEXT}`, and ends after N rows.
"""

import argparse
import base64
import json
import pathlib

from quixstreams import Application
from quixstreams.models import QuixEventsSerializer, QuixTimeseriesSerializer

# By form: how a value becomes bytes.
SERIALIZERS = {
    "dataframe-events": QuixEventsSerializer(as_legacy=True),
    "dataframe-events-headers": QuixEventsSerializer(as_legacy=False),
    "dataframe-timeseries": QuixTimeseriesSerializer(as_legacy=True),
    "dataframe-timeseries-headers": QuixTimeseriesSerializer(as_legacy=False),
    "dataframe-json": "json",
    "text": "str",
    "bytes": "bytes",
}


def write(given):
    app = Application(
        broker_address=given.bootstrap, consumer_group="vectors-writer", auto_offset_reset="earliest", state_dir=given.state,
        loglevel="WARNING",
    )
    source = app.topic(f"{given.topic}-input", key_serializer="str", key_deserializer="str")
    count = 0
    with app.get_producer() as producer:
        for form in SERIALIZERS:
            vector = json.loads((pathlib.Path(given.vectors) / f"v3-{form}.json").read_text())
            for value in values_of(form, vector):
                message = source.serialize(key=form, value={"value": wrapped(value)})
                producer.produce(topic=source.name, key=message.key, value=message.value)
                count += 1
    rows = app.dataframe(source)
    for form, serializer in SERIALIZERS.items():
        sink = app.topic(given.topic, key_serializer="str", value_serializer=serializer)
        of_form = rows.filter(lambda value, key, *_, form=form: key == form, metadata=True)
        of_form.apply(lambda value: unwrapped(value["value"])).to_topic(sink)
    app.run(count=count, timeout=60)
    print(json.dumps({"written": count}), flush=True)


def values_of(form, vector):
    """What was given to the library when the vector was made."""
    if form.startswith("dataframe-events") or form.startswith("dataframe-timeseries"):
        return [unwrapped(row["value"]) for row in vector["read_by_v3"]]
    if form == "dataframe-json":
        return [json.loads(message["value_text"]) for message in vector["messages"]]
    if form == "text":
        return [message["value_text"] for message in vector["messages"]]
    return [base64.b64decode(message["value"]) for message in vector["messages"]]


def read(given):
    app = Application(
        broker_address=given.bootstrap, consumer_group="vectors-reader", auto_offset_reset="earliest", state_dir=given.state,
        loglevel="WARNING",
    )
    rows = app.dataframe(app.topic(given.topic, key_deserializer="str", value_deserializer="quix"))
    rows.update(lambda value, key, timestamp, headers: print(json.dumps({"stream": key, "value": wrapped(value)}), flush=True), metadata=True)
    app.run(count=given.rows, timeout=60)


def unwrapped(value):
    if isinstance(value, dict):
        if set(value) == {"base64"}:
            return base64.b64decode(value["base64"])
        return {key: unwrapped(item) for key, item in value.items()}
    return value


def wrapped(value):
    if isinstance(value, (bytes, bytearray)):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: wrapped(item) for key, item in value.items()}
    return value


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["write", "read"])
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--vectors")
    parser.add_argument("--state")
    parser.add_argument("--rows", type=int)
    given = parser.parse_args()
    globals()[given.action](given)


if __name__ == "__main__":
    main()
