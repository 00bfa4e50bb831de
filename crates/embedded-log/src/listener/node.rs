//! `Node`: what all connections of a listener share. `Client`: what is known of the other end of one.

use std::{net::SocketAddr, sync::Arc};

use kafka_protocol::{
    ResponseError,
    messages::{BrokerId, TopicName},
    protocol::StrBytes,
};
use tokio::sync::{Semaphore, watch};

use super::{ListenerMetrics, ListenerOptions, groups::Groups};
use crate::{Log, Topic};

/// What all connections share.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) log: Log,
    pub(super) options: ListenerOptions,
    pub(super) groups: Groups,
    /// Bytes of requests that may still come in.
    pub(super) request_memory: Arc<Semaphore>,
    /// Bytes of records that may still go out.
    pub(super) response_memory: Arc<Semaphore>,
    /// Elements of arrays that may still be decoded.
    pub(super) elements: Arc<Semaphore>,
    /// True once no new work is to begin.
    pub(super) stopping: watch::Sender<bool>,
}

impl Node {
    pub(super) fn new(log: Log, options: ListenerOptions) -> Arc<Self> {
        // The semaphores count in `u32`.
        let bytes = |bytes: usize| Arc::new(Semaphore::new(bytes.clamp(1, u32::MAX as usize >> 1)));
        Arc::new(Self {
            groups: Groups::new(options.groups.clone()),
            request_memory: bytes(options.request_memory_bytes),
            response_memory: bytes(options.response_memory_bytes),
            elements: bytes(ELEMENTS),
            stopping: watch::Sender::new(false),
            options,
            log,
        })
    }

    pub(super) fn metrics(&self) -> &ListenerMetrics {
        &self.options.metrics
    }

    /// Resolves when the listener stops.
    pub(super) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        let _ = stopping.wait_for(|stopping| *stopping).await; // the sender is ours
    }

    /// A topic that clients may see.
    pub(super) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        if is_internal(name) { None } else { self.log.topic(name) }
    }

    /// The same, for writing.
    pub(super) fn writable_topic(&self, name: &str) -> Result<Arc<Topic>, ResponseError> {
        if is_internal(name) {
            return Err(ResponseError::InvalidTopicException);
        }
        self.log.topic(name).ok_or(ResponseError::UnknownTopicOrPartition)
    }
}

/// Topics that clients neither see nor write, as in `__consumer_offsets`.
pub(super) fn is_internal(name: &str) -> bool {
    name.starts_with("__")
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// Where it and its like reach us.
    pub(super) host: StrBytes,
    pub(super) port: i32,
    /// Its own address, without the port.
    pub(super) address: Arc<str>,
}

impl Client {
    /// `local` and `peer`: the two ends of its connection.
    pub(super) fn new(options: &ListenerOptions, local: SocketAddr, peer: SocketAddr) -> Self {
        let (host, port) = match &options.advertised {
            Some((host, port)) => (host.clone(), *port),
            None => (local.ip().to_canonical().to_string(), local.port()),
        };
        let address = peer.ip().to_canonical().to_string().into();
        Self { host: StrBytes::from_string(host), port: port.into(), address }
    }
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// The only broker's id.
pub(super) const BROKER: BrokerId = BrokerId(1);
/// Most elements of arrays in a request.
pub(super) const MAX_ELEMENTS: usize = 100_000;
/// Up to so many elements of a request are not counted against the others.
pub(super) const FREE_ELEMENTS: usize = 256;
/// Elements of larger requests, all connections together: some hundred bytes each.
const ELEMENTS: usize = 1 << 20;
