//! Whether addresses can be reached from here: those that brokers tell their clients.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use kafka_bridge::kafka::{Cluster, ClusterBroker};
use tokio::net::TcpStream;

use super::line::{Line, Subject};

/// Every broker's own address, all at once.
pub(super) async fn all(cluster: &Cluster) -> Vec<Line> {
    join_all(cluster.brokers.iter().map(async |broker| line(broker, connect(&broker.address).await))).await
}

fn line(broker: &ClusterBroker, reached: Result<(), String>) -> Line {
    let ClusterBroker { id, address, .. } = broker;
    match reached {
        Ok(()) => Line::ok(Subject::Kafka, format!("broker {id} is reached at {address}, which it tells its clients")),
        Err(reason) => Line::fail(
            Subject::Kafka,
            format!("broker {id} tells its clients to come to {address}, which cannot be reached from here ({reason})"),
            "correct advertised.listeners of the broker (--kafka-advertised of streamgate), or the names of this network",
        ),
    }
}

/// Whether something listens at `HOST:PORT`; else why not.
pub(super) async fn connect(address: &str) -> Result<(), String> {
    match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {} s", TIMEOUT.as_secs())),
    }
}

/// Where a listener is found from this machine: one on all addresses is on loopback too.
pub(super) fn from_here(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv6Addr::LOCALHOST.into(),
    };
    (ip, listener.port()).into()
}

const TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_on_all_addresses_are_reached_on_loopback() {
        for (listener, address) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.7:1", "10.0.0.7:1"), ("[::1]:2", "[::1]:2")]
        {
            assert_eq!(from_here(listener.parse().unwrap()), address.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn brokers_are_reached_where_they_say_or_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = |address: String| ClusterBroker { id: 7, address, settings: None };
        let there = broker(listener.local_addr().unwrap().to_string());
        // Port 1 is nobody's on a machine for tests.
        let cluster = Cluster { brokers: vec![there, broker("127.0.0.1:1".to_owned())], ..Cluster::default() };
        let lines: Vec<_> = all(&cluster).await.iter().map(Line::to_string).collect();
        assert!(lines[0].starts_with("ok    kafka     broker 7 is reached at 127.0.0.1:"), "{lines:?}");
        assert!(
            lines[1].starts_with("fail  kafka     broker 7 tells its clients to come to 127.0.0.1:1, which cannot be"),
            "{lines:?}"
        );
    }
}
