"""quixstreams 3: applications that know a topic and nothing of Kafka, which they ask for where the environment says.

    python portal.py write NAME
    python portal.py read NAME COUNT

`write` writes one row of JSON. `read` prints a line of JSON for each row, of whatever Quix has written, and ends after COUNT. Neither
catches anything: what goes wrong is what every user sees.
"""

import json
import sys
import tempfile

from quixstreams import Application


def write(topic):
    app = Application(consumer_group="writers")
    topic = app.topic(topic, value_serializer="json")
    with app.get_producer() as producer:
        row = topic.serialize(key="from-python", value={"speed": 41.5})
        producer.produce(topic.name, key=row.key, value=row.value)
    print(json.dumps({"written": topic.name}), flush=True)


def read(topic, count):
    with tempfile.TemporaryDirectory() as state:
        app = Application(consumer_group=f"readers-of-{topic}", auto_offset_reset="earliest", state_dir=state)
        rows = app.dataframe(app.topic(topic, key_deserializer="str", value_deserializer="quix"))
        rows.update(lambda value, key, *_: print(json.dumps({"stream": key, "value": value}), flush=True), metadata=True)
        app.run(count=count, timeout=60)


if __name__ == "__main__":
    write(sys.argv[2]) if sys.argv[1] == "write" else read(sys.argv[2], int(sys.argv[3]))
