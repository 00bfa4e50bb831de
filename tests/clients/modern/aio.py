"""aiokafka: a client in Python for asyncio. Its loop runs while a method of the adapter does."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import CommitFailedError, IllegalGenerationError, KafkaError, RebalanceInProgressError, UnknownMemberIdError

import scenarios
from scenarios import CommitLost, Record, Refused

PATIENCE = 30
CREATE_TIME = 0


class Client:
    # Whether its producer takes a header whose value is null.
    null_headers = True

    def __init__(self, bootstrap):
        self.config = {"bootstrap_servers": bootstrap}
        self.loop = asyncio.new_event_loop()
        self.admin = self.run(self._started(AIOKafkaAdminClient, **self.config))

    def run(self, future):
        try:
            return self.loop.run_until_complete(asyncio.wait_for(future, 2 * PATIENCE))
        except KafkaError as error:
            raise Refused(getattr(error, "errno", None), repr(error)) from error

    async def _started(self, kind, *arguments, **config):
        client = kind(*arguments, **config)
        try:
            await client.start()
        except BaseException:
            await (client.close() if kind is AIOKafkaAdminClient else client.stop())
            raise
        return client

    def close(self):
        self.run(self.admin.close())

    def create_topic(self, name, partitions):
        self._administer(self.admin.create_topics([NewTopic(name, partitions, 1)]))

    def grow(self, name, partitions):
        self._administer(self.admin.create_partitions({name: NewPartitions(partitions)}))

    def delete_topic(self, name):
        self._administer(self.admin.delete_topics([name]))

    def _administer(self, request):
        response = self.run(request).to_object()
        for answer in next(response[name] for name in ("topic_errors", "topic_error_codes", "topics") if name in response):
            if answer["error_code"]:
                raise Refused(answer["error_code"], str(answer))

    def topics(self):
        return set(self.run(self.admin.list_topics()))

    def partitions(self, name):
        (topic,) = self.run(self.admin.describe_topics([name]))
        if topic["error_code"]:
            raise Refused(topic["error_code"])
        return len(topic["partitions"])

    def produce(self, topic, records, **options):
        writer = self.writer(topic, **options)
        for record in records:
            writer.send(record)
        return writer.finish()

    def writer(self, topic, **options):
        return Writer(self, topic, **options)

    def transact(self, topic, transactional_id, records):
        async def transact():
            producer = await self._started(AIOKafkaProducer, **self.config, transactional_id=transactional_id)
            async with producer.transaction():
                for record in records:
                    await producer.send(topic, record.value, partition=record.partition)
            await producer.stop()

        self.run(transact())

    def _consumer(self, *topics, **more):
        config = self.config | {"enable_auto_commit": False, "auto_offset_reset": "none"} | more
        return self.run(self._started(AIOKafkaConsumer, *topics, **config))

    def read(self, topic, start, count, fetch_bytes=None):
        more = {"fetch_max_bytes": fetch_bytes, "max_partition_fetch_bytes": fetch_bytes} if fetch_bytes else {}
        consumer = self._consumer(**more)

        async def read():
            consumer.assign([TopicPartition(topic, partition) for partition in start])
            for partition, offset in start.items():
                consumer.seek(TopicPartition(topic, partition), offset)
            found = []
            while len(found) < count:
                polled = await consumer.getmany(timeout_ms=PATIENCE * 1000)
                scenarios.equal(f"records after {len(found)}", bool(polled), True)
                found += records_of(polled)
            return found

        try:
            return self.run(read())
        finally:
            self.run(consumer.stop())

    def first_offsets(self, topic, partitions):
        return self._ask(AIOKafkaConsumer.beginning_offsets, topic, partitions)

    def end_offsets(self, topic, partitions):
        return self._ask(AIOKafkaConsumer.end_offsets, topic, partitions)

    def _ask(self, question, topic, partitions):
        consumer = self._consumer()
        try:
            answers = self.run(question(consumer, [TopicPartition(topic, partition) for partition in partitions]))
            return {asked.partition: answer for asked, answer in answers.items()}
        finally:
            self.run(consumer.stop())

    def offsets_for_times(self, topic, times):
        consumer = self._consumer()
        try:
            asked = {TopicPartition(topic, partition): time for partition, time in times.items()}
            answers = self.run(consumer.offsets_for_times(asked))
            return {asked.partition: answer and answer.offset for asked, answer in answers.items()}
        finally:
            self.run(consumer.stop())

    def join(self, topic, group, session_ms):
        times = {"session_timeout_ms": session_ms, "heartbeat_interval_ms": 300}
        consumer = self._consumer(topic, group_id=group, auto_offset_reset="earliest", **times)
        return Membership(self, consumer, topic)


class Writer:
    def __init__(self, client, topic, compression=None, idempotent=True, acks="all"):
        self.client, self.topic, self.acks = client, topic, acks
        config = client.config | {"enable_idempotence": idempotent, "acks": acks, "compression_type": compression}
        more = {"linger_ms": 20, "max_request_size": 100_000_000}
        self.producer = client.run(client._started(AIOKafkaProducer, **config, **more))
        self.sent = []

    def send(self, record):
        sending = self.producer.send(
            self.topic,
            record.value,
            record.key,
            partition=record.partition,
            timestamp_ms=record.timestamp,
            headers=list(record.headers),
        )
        self.sent.append(self.client.run(sending))

    def finish(self):
        async def answers():
            await self.producer.flush()
            return [await sent for sent in self.sent]

        try:
            # With acks=0 there is no answer to have an offset of.
            return [answer and answer.offset for answer in self.client.run(answers())]
        finally:
            self.client.run(self.producer.stop())


class Membership:
    def __init__(self, client, consumer, topic):
        self.client, self.consumer, self.topic = client, consumer, topic

    def poll(self):
        return records_of(self.client.run(self.consumer.getmany(timeout_ms=100)))

    def owned(self):
        return {owned.partition for owned in self.consumer.assignment()}

    def commit(self, offsets):
        async def commit():
            try:
                await self.consumer.commit({TopicPartition(self.topic, p): offset for p, offset in offsets.items()})
            except (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError) as error:
                raise CommitLost(repr(error)) from error

        self.client.run(commit())

    def leave(self):
        self.client.run(self.consumer.stop())


def records_of(polled):
    found = []
    for record in (record for records in polled.values() for record in records):
        scenarios.equal("the timestamp's kind", record.timestamp_type, CREATE_TIME)
        headers = tuple(record.headers)
        found.append(Record(record.partition, record.value, record.key, headers, record.timestamp, record.offset))
    return found


if __name__ == "__main__":
    scenarios.main(Client)
