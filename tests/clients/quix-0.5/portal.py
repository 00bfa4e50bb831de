"""quixstreams 0.5.7: programs that know a topic and nothing of Kafka, which they ask for where the environment says.

    python portal.py write NAME
    python portal.py read NAME COUNT

`write` writes one stream of an event and a parameter. `read` prints a line of JSON for each piece of data and ends after
COUNT. Neither catches anything: what goes wrong is what every user sees.
"""

import json
import sys
import threading

import quixstreams as qx


def say(line):
    # At once: the .NET runtime writes to the same output.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def write(topic):
    producer = qx.QuixStreamingClient().get_topic_producer(topic)
    with producer:
        stream = producer.create_stream("from-python")
        stream.properties.name = "From Python"
        stream.events.add_timestamp_nanoseconds(1_700_000_000_000_000_000).add_value("lap", "7").publish()
        stream.timeseries.buffer.add_timestamp_nanoseconds(1_700_000_000_000_000_000).add_value("speed", 41.5).publish()
        stream.close()
    say({"written": topic})


def read(topic, count):
    all_seen = threading.Semaphore(0)

    def seen(**line):
        say(line)
        all_seen.release()

    def received(stream):
        stream.events.on_data_received = lambda stream, data: seen(stream=stream.stream_id, event=data.id, value=data.value)
        stream.timeseries.on_data_received = lambda stream, data: [
            seen(stream=stream.stream_id, parameters={name: value.value for name, value in row.parameters.items()}) for row in data.timestamps
        ]

    consumer = qx.QuixStreamingClient().get_topic_consumer(topic, f"readers-of-{topic}", auto_offset_reset=qx.AutoOffsetReset.Earliest)
    with consumer:
        consumer.on_stream_received = received
        consumer.subscribe()
        for _ in range(count):
            all_seen.acquire()


if __name__ == "__main__":
    write(sys.argv[2]) if sys.argv[1] == "write" else read(sys.argv[2], int(sys.argv[3]))
