"""confluent-kafka: librdkafka in Python."""

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TIMESTAMP_CREATE_TIME, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

import scenarios
from scenarios import CommitLost, Record, Refused

PATIENCE = 30
# A commit that is not made now: the group has moved on, or the broker is away.
NOT_NOW = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._STATE,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._WAIT_COORD,
}


class Client:
    # Whether its producer takes a header whose value is null.
    null_headers = True

    def __init__(self, bootstrap):
        self.config = {"bootstrap.servers": bootstrap}
        self.admin = AdminClient(self.config)

    def close(self):
        pass

    def create_topic(self, name, partitions):
        self._administer(self.admin.create_topics([NewTopic(name, partitions, 1)]))

    def grow(self, name, partitions):
        self._administer(self.admin.create_partitions([NewPartitions(name, partitions)]))

    def delete_topic(self, name):
        self._administer(self.admin.delete_topics([name]))

    def topics(self):
        return set(self.admin.list_topics(timeout=PATIENCE).topics)

    def partitions(self, name):
        return len(self._administer(self.admin.describe_topics(TopicCollection([name]))).partitions)

    def _administer(self, futures):
        (future,) = futures.values()
        try:
            return future.result(PATIENCE)
        except KafkaException as error:
            raise Refused(error.args[0].code(), error.args[0].str()) from error

    def produce(self, topic, records, **options):
        writer = self.writer(topic, **options)
        for record in records:
            writer.send(record)
        return writer.finish()

    def writer(self, topic, **options):
        return Writer(self.config, topic, **options)

    def transact(self, topic, transactional_id, records):
        producer = Producer(self.config | {"transactional.id": transactional_id})
        try:
            producer.init_transactions(PATIENCE)
            producer.begin_transaction()
            for record in records:
                producer.produce(topic, record.value, partition=record.partition)
            producer.commit_transaction(PATIENCE)
        except KafkaException as error:
            raise Refused(error.args[0].code(), error.args[0].str()) from error

    def _consumer(self, **more):
        more = {name.replace("_", "."): value for name, value in more.items()}
        return Consumer(self.config | {"group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "error"} | more)

    def read(self, topic, start, count, fetch_bytes=None):
        more = {}
        if fetch_bytes:
            more = {"fetch_max_bytes": fetch_bytes, "message_max_bytes": fetch_bytes, "fetch_message_max_bytes": fetch_bytes}
        consumer = self._consumer(**more)
        try:
            consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in start.items()])
            found = []
            while len(found) < count:
                message = consumer.poll(PATIENCE)
                scenarios.equal(f"a record after {len(found)}", message is not None, True)
                if error := message.error():
                    # librdkafka has a name of its own for a position out of range.
                    out_of_range = error.code() == KafkaError._AUTO_OFFSET_RESET and "out of range" in error.str()
                    raise Refused(scenarios.OFFSET_OUT_OF_RANGE if out_of_range else error.code(), error.str())
                found.append(record_of(message))
            return found
        finally:
            consumer.close()

    def first_offsets(self, topic, partitions):
        return {partition: self._watermarks(topic, partition)[0] for partition in partitions}

    def end_offsets(self, topic, partitions):
        return {partition: self._watermarks(topic, partition)[1] for partition in partitions}

    def _watermarks(self, topic, partition):
        consumer = self._consumer()
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), PATIENCE)
        finally:
            consumer.close()

    def offsets_for_times(self, topic, times):
        consumer = self._consumer()
        try:
            asked = [TopicPartition(topic, partition, time) for partition, time in times.items()]
            answers = consumer.offsets_for_times(asked, PATIENCE)
            return {answer.partition: answer.offset if answer.offset >= 0 else None for answer in answers}
        finally:
            consumer.close()

    def join(self, topic, group, session_ms):
        times = {"session_timeout_ms": session_ms, "heartbeat_interval_ms": 300}
        return Membership(self._consumer(group_id=group, auto_offset_reset="earliest", **times), topic)


class Writer:
    def __init__(self, config, topic, compression=None, idempotent=True, acks="all"):
        self.topic = topic
        self.producer = Producer(
            config
            | {
                "enable.idempotence": idempotent,
                "acks": acks,
                "compression.type": compression or "none",
                "linger.ms": 20,
                "message.max.bytes": 100_000_000,
            }
        )
        self.offsets = []

    def send(self, record):
        n = len(self.offsets)
        self.offsets.append(None)

        def delivered(error, message):
            self.offsets[n] = error or message.offset()

        more = {"timestamp": record.timestamp} if record.timestamp else {}
        self.producer.produce(
            self.topic,
            record.value,
            record.key,
            partition=record.partition,
            headers=list(record.headers),
            on_delivery=delivered,
            **more,
        )
        self.producer.poll(0)

    def finish(self):
        scenarios.equal("records without an answer", self.producer.flush(60), 0)
        for answer in self.offsets:
            if isinstance(answer, KafkaError):
                raise Refused(answer.code(), answer.str())
        return self.offsets


class Membership:
    def __init__(self, consumer, topic):
        self.consumer, self.topic = consumer, topic
        consumer.subscribe([topic])

    def poll(self):
        messages = self.consumer.consume(500, 0.1)
        for message in messages:
            if error := message.error():
                raise Refused(error.code(), error.str())
        return [record_of(message) for message in messages]

    def owned(self):
        return {owned.partition for owned in self.consumer.assignment()}

    def commit(self, offsets):
        offsets = [TopicPartition(self.topic, partition, offset) for partition, offset in offsets.items()]
        try:
            answers = self.consumer.commit(offsets=offsets, asynchronous=False)
            errors = [answer.error for answer in answers if answer.error]
        except KafkaException as error:
            errors = [error.args[0]]
        for error in errors:
            if error.code() in NOT_NOW:
                raise CommitLost(error.str())
            raise Refused(error.code(), error.str())

    def leave(self):
        self.consumer.close()


def record_of(message):
    kind, timestamp = message.timestamp()
    scenarios.equal("the timestamp's kind", kind, TIMESTAMP_CREATE_TIME)
    headers = tuple(message.headers() or ())
    return Record(message.partition(), message.value(), message.key(), headers, timestamp, message.offset())


if __name__ == "__main__":
    scenarios.main(Client)
