"""kafka-python: a client in pure Python, by threads."""

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError, IllegalGenerationError, KafkaError, RebalanceInProgressError, UnknownMemberIdError
from kafka.structs import OffsetAndMetadata

import scenarios
from scenarios import CommitLost, Record, Refused

PATIENCE = 30
CREATE_TIME = 0


class Client:
    # Whether its producer takes a header whose value is null.
    null_headers = False

    def __init__(self, bootstrap):
        self.config = {"bootstrap_servers": bootstrap}
        self.admin = KafkaAdminClient(**self.config)

    def close(self):
        self.admin.close()

    def create_topic(self, name, partitions):
        topic = {name: {"num_partitions": partitions, "replication_factor": 1}}
        refusing(lambda: self.admin.create_topics(topic, wait_for_metadata=True))

    def grow(self, name, partitions):
        refusing(lambda: self.admin.create_partitions({name: partitions}))

    def delete_topic(self, name):
        refusing(lambda: self.admin.delete_topics([name]))

    def topics(self):
        return set(self.admin.list_topics())

    def partitions(self, name):
        (topic,) = self.admin.describe_topics([name])
        if topic["error_code"]:
            raise Refused(topic["error_code"])
        return len(topic["partitions"])

    def produce(self, topic, records, **options):
        writer = self.writer(topic, **options)
        for record in records:
            writer.send(record)
        return writer.finish()

    def writer(self, topic, **options):
        return Writer(self.config, topic, **options)

    def transact(self, topic, transactional_id, records):
        producer = KafkaProducer(**self.config, transactional_id=transactional_id, max_block_ms=PATIENCE * 1000)
        try:
            refusing(producer.init_transactions)
            producer.begin_transaction()
            for record in records:
                producer.send(topic, record.value, partition=record.partition)
            producer.commit_transaction()
        finally:
            producer.close(timeout=0)

    def _consumer(self, **more):
        return KafkaConsumer(**self.config | {"enable_auto_commit": False, "auto_offset_reset": "none"} | more)

    def read(self, topic, start, count, fetch_bytes=None):
        more = {"fetch_max_bytes": fetch_bytes, "max_partition_fetch_bytes": fetch_bytes} if fetch_bytes else {}
        consumer = self._consumer(**more)
        try:
            consumer.assign([TopicPartition(topic, partition) for partition in start])
            for partition, offset in start.items():
                consumer.seek(TopicPartition(topic, partition), offset)
            found = []
            while len(found) < count:
                polled = refusing(lambda: consumer.poll(PATIENCE * 1000))
                scenarios.equal(f"records after {len(found)}", bool(polled), True)
                found += records_of(polled)
            return found
        finally:
            consumer.close()

    def first_offsets(self, topic, partitions):
        return self._ask(KafkaConsumer.beginning_offsets, topic, partitions)

    def end_offsets(self, topic, partitions):
        return self._ask(KafkaConsumer.end_offsets, topic, partitions)

    def _ask(self, question, topic, partitions):
        consumer = self._consumer()
        try:
            answers = question(consumer, [TopicPartition(topic, partition) for partition in partitions])
            return {asked.partition: answer for asked, answer in answers.items()}
        finally:
            consumer.close()

    def offsets_for_times(self, topic, times):
        consumer = self._consumer()
        try:
            answers = consumer.offsets_for_times({TopicPartition(topic, p): time for p, time in times.items()})
            return {asked.partition: answer and answer.offset for asked, answer in answers.items()}
        finally:
            consumer.close()

    def join(self, topic, group, session_ms):
        times = {"session_timeout_ms": session_ms, "heartbeat_interval_ms": 300}
        return Membership(self._consumer(group_id=group, auto_offset_reset="earliest", **times), topic)


class Writer:
    def __init__(self, config, topic, compression=None, idempotent=True, acks="all"):
        self.topic = topic
        self.acks = acks
        self.producer = KafkaProducer(
            **config,
            enable_idempotence=idempotent,
            acks=acks,
            compression_type=compression,
            linger_ms=20,
            max_request_size=100_000_000,
        )
        self.sent = []

    def send(self, record):
        sent = refusing(
            lambda: self.producer.send(
                self.topic,
                record.value,
                record.key,
                headers=list(record.headers),
                partition=record.partition,
                timestamp_ms=record.timestamp,
            )
        )
        self.sent.append(sent)

    def finish(self):
        try:
            self.producer.flush(60)
            return [refusing(lambda: sent.get(60)).offset for sent in self.sent]
        finally:
            self.producer.close(timeout=5)


class Membership:
    def __init__(self, consumer, topic):
        self.consumer, self.topic = consumer, topic
        consumer.subscribe([topic])
        # Learns the partitions before the first join. Else kafka-python 3.0 joins without them, is given none, and joins again once
        # it knows them; a poll that times out during that second join forgets it: no assignment, no heartbeats, for ever. With an
        # Apache Kafka whose group.initial.rebalance.delay.ms is 0, as ours, it is the same.
        consumer.topics()

    def poll(self):
        return records_of(self.consumer.poll(100))

    def owned(self):
        return {owned.partition for owned in self.consumer.assignment()}

    def commit(self, offsets):
        offsets = {TopicPartition(self.topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}
        try:
            self.consumer.commit(offsets)
        except (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError) as error:
            raise CommitLost(repr(error)) from error

    def leave(self):
        self.consumer.close()


def records_of(polled):
    found = []
    for record in (record for records in polled.values() for record in records):
        scenarios.equal("the timestamp's kind", record.timestamp_type, CREATE_TIME)
        headers = tuple(record.headers)
        found.append(Record(record.partition, record.value, record.key, headers, record.timestamp, record.offset))
    return found


def refusing(action):
    try:
        return action()
    except KafkaError as error:
        raise Refused(getattr(error, "errno", None), repr(error)) from error


if __name__ == "__main__":
    scenarios.main(Client)
