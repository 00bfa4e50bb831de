//! A Kafka-compatible log inside a program: `cargo run --example embed`.

use std::{error::Error, time::Duration};

use embedded_log::{
    Log, Options,
    batch::NewRecord,
    listener::{Listener, ListenerOptions},
};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    producer::{FutureProducer, FutureRecord},
};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let log = Log::open(folder.path(), Options::default())?;
    println!("opened a log in {}", folder.path().display());

    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    println!("Kafka clients find it at {address}");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(listener.serve(log.clone(), ListenerOptions::default(), async {
        let _ = stopped.await;
    }));

    // In this process: no socket between the program and its log.
    let topic = log.create_topic("greetings", 1, Vec::new()).await?;
    let partition = topic.partition(0).ok_or("a topic has a partition 0")?;
    let record = NewRecord { timestamp_ms: 0, key: None, value: Some(b"from within"), headers: &[] };
    let appended = log.append(&partition, record)?.await?;
    println!("appended offset {} directly: it is on the disk now", appended.offset);

    // Any Kafka client.
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &address).set("group.id", "example").set("enable.idempotence", "true");
    let producer: FutureProducer = config.create()?;
    let record = FutureRecord::<(), _>::to("greetings").payload("from a Kafka client");
    let delivery = producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error)?;
    println!("produced offset {} with librdkafka", delivery.offset);

    let consumer: StreamConsumer = config.create()?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset("greetings", 0, Offset::Beginning)?;
    consumer.assign(&from)?;
    for _ in 0..2 {
        let message = consumer.recv().await?;
        let text = String::from_utf8_lossy(message.payload().unwrap_or_default());
        println!("fetched offset {}: {text}", message.offset());
    }

    drop((producer, consumer));
    let _ = stop.send(()); // fails only if the listener has ended already
    serving.await?;
    println!("stopped; what was acknowledged is in the folder");
    Ok(())
}
