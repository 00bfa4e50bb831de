// Apache Kafka's own client, put through the scenarios of ../modern/scenarios.py, which say what is expected and why.
//
//     java -cp 'CLASSES:LIBS/*' Scenarios SCENARIO --bootstrap HOST:PORT --topic NAME [...]

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Scenarios {
    static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    static final Duration PATIENCE = Duration.ofSeconds(30);

    final Map<String, String> given;
    final String topic;
    final Admin admin;

    Scenarios(Map<String, String> given) {
        this.given = given;
        topic = given.get("topic");
        admin = Admin.create(config());
    }

    public static void main(String[] arguments) {
        Map<String, String> given = new HashMap<>();
        for (int i = 1; i < arguments.length; i += 2) {
            given.put(arguments[i].substring(2), arguments[i + 1]);
        }
        Scenarios scenarios = new Scenarios(given);
        try {
            System.out.println(scenarios.run(arguments[0]));
        } catch (Throwable failure) {
            if (!(failure instanceof Failed)) {
                failure.printStackTrace();
            }
            System.err.println(arguments[0] + ": " + failure.getMessage());
            System.exit(1);
        }
        scenarios.admin.close();
    }

    String run(String scenario) throws Exception {
        switch (scenario) {
            case "records": return records();
            case "limits": return limits(Integer.parseInt(given.get("too-large")));
            case "transactions": return transactions(given.get("expect").equals("work"));
            case "create": return create(Integer.parseInt(given.get("partitions")));
            case "write": return write(Integer.parseInt(given.get("partitions")));
            case "member": return member();
            default: throw new Failed("no such scenario");
        }
    }

    // The scenarios

    String records() throws Exception {
        createTopic(3);
        refused(Errors.TOPIC_ALREADY_EXISTS, "a second creation", () -> createTopic(3));
        equal("topics listed", get(admin.listTopics().names()).contains(topic), true);
        equal("partitions", partitions(topic), 3);

        List<Sent> written = new ArrayList<>();
        // Not long ago: Kafka deletes what is old by its timestamp.
        long start = System.currentTimeMillis() - 3_600_000;
        for (String codec : CODECS) {
            for (boolean idempotent : new boolean[] {true, false}) {
                List<ProducerRecord<byte[], byte[]>> ofRound = new ArrayList<>();
                for (int n = 0; n < 60; n++) {
                    ofRound.add(example(written.size() + n, codec, start));
                }
                Map<String, Object> options = Map.of("compression.type", codec, "enable.idempotence", idempotent);
                written.addAll(produce(ofRound, options));
            }
        }
        Map<Integer, List<Sent>> byPartition = written.stream().collect(Collectors.groupingBy(sent -> sent.record.partition()));
        byPartition.forEach((partition, ofPartition) -> {
            for (int n = 0; n < ofPartition.size(); n++) {
                equal("offset in partition " + partition, ofPartition.get(n).offset, (long) n);
            }
        });

        List<TopicPartition> three = List.of(at(0), at(1), at(2));
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            equal("first offsets", consumer.beginningOffsets(three), Map.of(at(0), 0L, at(1), 0L, at(2), 0L));
            equal("end offsets", consumer.endOffsets(three), Map.of(at(0), 200L, at(1), 200L, at(2), 200L));
            for (int offset = 5; offset < 200; offset += 40) {
                long time = byPartition.get(2).get(offset).record.timestamp();
                equal("offset at the time of " + offset, offsetForTime(consumer, 2, time), (long) offset);
                equal("offset between " + offset + " and the next", offsetForTime(consumer, 2, time + 1), offset + 1L);
            }
            long early = byPartition.get(0).get(0).record.timestamp() - 1;
            long late = byPartition.get(0).get(199).record.timestamp() + 1;
            equal("offset at a time before all", offsetForTime(consumer, 0, early), 0L);
            equal("offset at a time after all", offsetForTime(consumer, 0, late), null);
        }

        List<ConsumerRecord<byte[], byte[]>> read = read(Map.of(0, 0L, 1, 0L, 2, 0L), written.size(), Map.of());
        Map<Integer, List<ConsumerRecord<byte[], byte[]>>> readByPartition =
                read.stream().collect(Collectors.groupingBy(ConsumerRecord::partition));
        byPartition.forEach((partition, ofPartition) -> same(readByPartition.get(partition), ofPartition));
        for (int offset = 7; offset < 200; offset += 40) {
            List<ConsumerRecord<byte[], byte[]>> found = read(Map.of(1, (long) offset), 3, Map.of());
            same(found.subList(0, 3), byPartition.get(1).subList(offset, offset + 3));
        }

        get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
        equal("partitions, grown", partitions(topic), 5);
        equal("first offset of a new partition", produce(List.of(record(4, "in the new one")), Map.of()).get(0).offset, 0L);
        get(admin.deleteTopics(List.of(topic)).all());
        refused(Errors.UNKNOWN_TOPIC_OR_PARTITION, "a deleted topic", () -> partitions(topic));
        return "{\"records\": " + written.size() + "}";
    }

    ProducerRecord<byte[], byte[]> example(int n, String codec, long start) {
        List<List<Header>> headers = List.of(
                List.of(),
                List.of(header("name", "value")),
                List.of(
                        header("again", "1"),
                        new RecordHeader("other", new byte[] {0, (byte) 255}),
                        header("again", "2"),
                        new RecordHeader("null", (byte[]) null),
                        header("empty", ""),
                        header("", "no name"),
                        header("ü", "x")));
        byte[][] keys = {null, {}, "key".getBytes(UTF_8), "schlüssel".getBytes(UTF_8)};
        byte[][] values = {null, {}, (codec + " " + n + " ").repeat(20).getBytes(UTF_8)};
        byte[] value = values[n % 10 == 0 ? n / 10 % 3 : 2];
        return new ProducerRecord<>(topic, n % 3, start + n * 1000L, keys[n % 4], value, headers.get(n / 3 % 3));
    }

    String limits(int tooLarge) throws Exception {
        createTopic(1);
        long start = 0;
        for (String acks : new String[] {"0", "1", "all"}) {
            List<ProducerRecord<byte[], byte[]>> ten = new ArrayList<>();
            for (int n = 0; n < 10; n++) {
                ten.add(record(0, acks + " " + n));
            }
            produce(ten, Map.of("acks", acks, "enable.idempotence", false));
            // With acks=0 this is how to know that they have arrived.
            List<ConsumerRecord<byte[], byte[]>> read = read(Map.of(0, start), 10, Map.of());
            for (int n = 0; n < 10; n++) {
                equal("a value by acks", new String(read.get(n).value(), UTF_8), acks + " " + n);
            }
            start += 10;
        }

        for (boolean idempotent : new boolean[] {false, true}) {
            Map<String, Object> options = Map.of("enable.idempotence", idempotent);
            refused(Errors.MESSAGE_TOO_LARGE, "a record too large", () -> produce(List.of(random(tooLarge)), options));
        }
        equal("the next record", produce(List.of(record(0, "next")), Map.of()).get(0).offset, 30L);

        refused(Errors.UNKNOWN_TOPIC_OR_PARTITION, "a missing topic", () -> partitions(topic + "-missing"));
        refused(
                Errors.UNKNOWN_TOPIC_OR_PARTITION,
                "its deletion",
                () -> get(admin.deleteTopics(List.of(topic + "-missing")).all()));
        try {
            read(Map.of(0, 1_000_000L), 1, Map.of());
            throw new Failed("a read past the end was not refused");
        } catch (OffsetOutOfRangeException expected) {
            // as it should
        }

        List<ProducerRecord<byte[], byte[]>> megabytes = new ArrayList<>();
        for (int n = 0; n < 6; n++) {
            megabytes.add(random(700_000));
        }
        produce(megabytes, Map.of());
        List<ConsumerRecord<byte[], byte[]>> read = read(Map.of(0, 31L), 6, Map.of());
        for (int n = 0; n < 6; n++) {
            equal("a large record is whole", Arrays.equals(read.get(n).value(), megabytes.get(n).value()), true);
        }
        Map<String, Object> little = Map.of("fetch.max.bytes", 1000, "max.partition.fetch.bytes", 1000);
        read = read(Map.of(0, 31L), 1, little);
        equal("a record larger than the fetch", Arrays.equals(read.get(0).value(), megabytes.get(0).value()), true);
        return "{\"bytes\": " + 6 * 700_000 + "}";
    }

    String transactions(boolean work) throws Exception {
        createTopic(1);
        Callable<Object> transact = () -> {
            Map<String, Object> options = Map.of("transactional.id", "some-id", "max.block.ms", PATIENCE.toMillis());
            try (KafkaProducer<byte[], byte[]> producer = producer(options)) {
                producer.initTransactions();
                producer.beginTransaction();
                producer.send(record(0, "in a transaction"));
                producer.commitTransaction();
                return null;
            }
        };
        long began = System.nanoTime();
        if (work) {
            transact.call();
            equal("committed", read(Map.of(0, 0L), 1, Map.of()).size(), 1);
        } else {
            refused(Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "a transactional id", transact);
            try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
                equal("written", consumer.endOffsets(List.of(at(0))), Map.of(at(0), 0L));
            }
        }
        return "{\"seconds\": " + (System.nanoTime() - began) / 100_000_000 / 10.0 + "}";
    }

    String create(int partitions) throws Exception {
        createTopic(partitions);
        return "{\"partitions\": " + partitions + "}";
    }

    String write(int partitions) throws Exception {
        Map<Integer, Long> ends = new TreeMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            List<TopicPartition> all = new ArrayList<>();
            for (int partition = 0; partition < partitions; partition++) {
                all.add(at(partition));
            }
            consumer.endOffsets(all).forEach((at, end) -> ends.put(at.partition(), end));
        }
        List<Long> wanted = new ArrayList<>();
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of())) {
            say("{\"writing\": " + json(ends) + "}");
            while (!toldToStop) {
                for (int partition = 0; partition < partitions; partition++) {
                    long n = ends.get(partition);
                    ends.put(partition, n + 1);
                    wanted.add(n);
                    answers.add(producer.send(record(partition, partition + ":" + n)));
                }
                Thread.sleep(50);
            }
            for (int i = 0; i < wanted.size(); i++) {
                equal("acknowledged offset", answers.get(i).get().offset(), wanted.get(i));
            }
        }
        return "{\"written\": " + json(ends) + "}";
    }

    String member() throws Exception {
        Map<String, Object> options = Map.of(
                "group.id", given.get("group"),
                "session.timeout.ms", given.get("session-ms"),
                "heartbeat.interval.ms", 300,
                "auto.offset.reset", "earliest");
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(options)) {
            consumer.subscribe(List.of(topic));
            Set<Integer> owned = null;
            while (!toldToStop) {
                var polled = consumer.poll(Duration.ofMillis(100));
                Set<Integer> owns = new TreeSet<>();
                consumer.assignment().forEach(at -> owns.add(at.partition()));
                if (!owns.equals(owned)) {
                    owned = owns;
                    say("{\"owns\": " + owned + "}");
                }
                if (polled.isEmpty()) {
                    continue;
                }
                Map<Integer, List<Long>> ranges = new TreeMap<>();
                Map<Integer, Long> following = new TreeMap<>();
                for (ConsumerRecord<byte[], byte[]> record : polled) {
                    equal("a record's value", new String(record.value(), UTF_8), record.partition() + ":" + record.offset());
                    List<Long> range = ranges.getOrDefault(record.partition(), List.of(record.offset(), record.offset() - 1));
                    equal("next offset of partition " + record.partition(), record.offset(), range.get(1) + 1);
                    ranges.put(record.partition(), List.of(range.get(0), record.offset()));
                    following.put(record.partition(), record.offset() + 1);
                }
                say("{\"processed\": " + json(ranges) + "}");
                double began = System.currentTimeMillis() / 1000.0;
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                following.forEach((partition, offset) -> offsets.put(at(partition), new OffsetAndMetadata(offset)));
                try {
                    consumer.commitSync(offsets);
                } catch (CommitFailedException | RebalanceInProgressException lost) {
                    say("{\"commit_lost\": \"" + lost.getClass().getSimpleName() + "\"}");
                    continue;
                }
                double ended = System.currentTimeMillis() / 1000.0;
                say("{\"committed\": " + json(following) + ", \"began\": " + began + ", \"ended\": " + ended + "}");
            }
        }
        return "{\"left\": true}";
    }

    // What the scenarios are told with

    record Sent(ProducerRecord<byte[], byte[]> record, long offset) {}

    Object createTopic(int partitions) throws Exception {
        return get(admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all());
    }

    int partitions(String topic) throws Exception {
        return get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size();
    }

    List<Sent> produce(List<ProducerRecord<byte[], byte[]>> records, Map<String, Object> options) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(options)) {
            List<Future<RecordMetadata>> answers = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : records) {
                answers.add(producer.send(record));
            }
            List<Sent> sent = new ArrayList<>();
            for (int n = 0; n < answers.size(); n++) {
                sent.add(new Sent(records.get(n), get(answers.get(n)).offset()));
            }
            return sent;
        }
    }

    List<ConsumerRecord<byte[], byte[]>> read(Map<Integer, Long> start, int count, Map<String, Object> options) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(options)) {
            consumer.assign(start.keySet().stream().map(this::at).collect(Collectors.toList()));
            start.forEach((partition, offset) -> consumer.seek(at(partition), offset));
            List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
            while (found.size() < count) {
                var polled = consumer.poll(PATIENCE);
                equal("records after " + found.size(), polled.isEmpty(), false);
                polled.forEach(found::add);
            }
            return found;
        }
    }

    Long offsetForTime(KafkaConsumer<byte[], byte[]> consumer, int partition, long time) {
        var found = consumer.offsetsForTimes(Map.of(at(partition), time)).get(at(partition));
        return found == null ? null : (Long) found.offset();
    }

    void same(List<ConsumerRecord<byte[], byte[]>> found, List<Sent> wanted) {
        equal("records in order", found.size(), wanted.size());
        for (int n = 0; n < found.size(); n++) {
            ConsumerRecord<byte[], byte[]> one = found.get(n);
            ProducerRecord<byte[], byte[]> other = wanted.get(n).record;
            equal("offset", one.offset(), wanted.get(n).offset);
            equal("key", text(one.key()), text(other.key()));
            equal("value", text(one.value()), text(other.value()));
            equal("timestamp", one.timestamp(), other.timestamp());
            equal("the timestamp's kind", one.timestampType(), TimestampType.CREATE_TIME);
            equal("headers", headers(one.headers()), headers(other.headers()));
        }
    }

    Map<String, Object> config() {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", given.get("bootstrap"));
        return config;
    }

    KafkaProducer<byte[], byte[]> producer(Map<String, Object> options) {
        Map<String, Object> config = config();
        config.putAll(Map.of("linger.ms", 20, "max.request.size", 100_000_000));
        config.putAll(options);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> options) {
        Map<String, Object> config = config();
        config.putAll(Map.of("enable.auto.commit", false, "auto.offset.reset", "none"));
        config.putAll(options);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    TopicPartition at(int partition) {
        return new TopicPartition(topic, partition);
    }

    ProducerRecord<byte[], byte[]> record(int partition, String value) {
        return new ProducerRecord<>(topic, partition, null, value.getBytes(UTF_8));
    }

    ProducerRecord<byte[], byte[]> random(int bytes) {
        byte[] value = new byte[bytes];
        new Random().nextBytes(value);
        return new ProducerRecord<>(topic, 0, null, value);
    }

    static Header header(String name, String value) {
        return new RecordHeader(name, value.getBytes(UTF_8));
    }

    static List<String> headers(Iterable<Header> headers) {
        List<String> texts = new ArrayList<>();
        headers.forEach(header -> texts.add(header.key() + "=" + text(header.value())));
        return texts;
    }

    static String text(byte[] bytes) {
        return bytes == null ? "null" : Arrays.toString(bytes);
    }

    static String json(Map<Integer, ?> map) {
        Collection<String> members = new ArrayList<>();
        map.forEach((name, value) -> members.add("\"" + name + "\": " + value));
        return "{" + String.join(", ", members) + "}";
    }

    static void say(String line) {
        System.out.println(line);
    }

    /** Whether standard input has closed: whoever started us keeps a pipe open and writes nothing. */
    static volatile boolean toldToStop;

    static {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException closed) {
                // the same
            }
            toldToStop = true;
        });
        watch.setDaemon(true);
        watch.start();
    }

    static <T> T get(Future<T> future) throws Exception {
        try {
            return future.get(60, java.util.concurrent.TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            throw (Exception) error.getCause();
        }
    }

    static void refused(Errors wanted, String what, Callable<?> action) throws Exception {
        Object result;
        try {
            result = action.call();
        } catch (KafkaException error) {
            equal("error of " + what + " (" + error + ")", Errors.forException(error), wanted);
            return;
        }
        throw new Failed(what + " was not refused: " + result);
    }

    static void equal(String what, Object found, Object wanted) {
        if (!Objects.equals(found, wanted)) {
            throw new Failed(what + ": " + found + ", expected " + wanted);
        }
    }

    static class Failed extends RuntimeException {
        Failed(String text) {
            super(text);
        }
    }
}
