//! `Hub`: methods by name, and what happens when connections come and go. `Caller` is what they are given.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use signalr_proto::{Encoding, FromArguments, Invocation};

use crate::call::{Admission, CallFuture, Completion, Method, Pipelined, Plain};
use crate::clients::{Clients, Target};
use crate::connection::ConnectionHandle;
use crate::error::{CallError, HubError};
use crate::groups::Groups;
use crate::ids::ConnectionId;
use crate::metrics::{MethodMetrics, Metrics};
use crate::service::Shared;

/// The methods clients can call, by name. Names are compared without case; there is no overloading.
#[derive(Default)]
pub struct Hub {
    methods: HashMap<String, Registered>,
    connected: Option<Connected>,
    disconnected: Option<Disconnected>,
}

pub(crate) struct Registered {
    pub(crate) method: Box<dyn Method>,
    pub(crate) metrics: Option<MethodMetrics>,
    name: String,
}

type Connected = Box<dyn Fn(Caller) -> BoxFuture<'static, Result<(), HubError>> + Send + Sync>;
type Disconnected = Box<dyn Fn(Caller, Option<String>) -> BoxFuture<'static, ()> + Send + Sync>;

impl Hub {
    /// A hub without methods.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a method. Its arguments are a tuple of [`Deserialize`](serde::Deserialize) types, whose number a call must
    /// match exactly; its result, if `()`, completes with null.
    ///
    /// A call holds one of the connection's [`max_parallel_invocations`](crate::Options::max_parallel_invocations) slots
    /// until it has completed; with none free, later messages of that connection wait.
    ///
    /// # Panics
    /// If there is a method of that name already.
    pub fn method<A, R, F, Fut>(self, name: &str, method: F) -> Self
    where
        A: FromArguments + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HubError>> + Send + 'static,
    {
        self.register(name, Box::new(Plain::new(method)))
    }

    /// Adds a method of two parts: `method` *admits* the call and gives back the future that *completes* it. The first
    /// part holds the connection's slot, so calls are admitted in the order they arrive; the second runs beside later
    /// calls, up to [`max_calls_in_flight`](crate::Options::max_calls_in_flight). So a client that does not await each
    /// call keeps its order and does not wait for each round trip.
    ///
    /// # Panics
    /// If there is a method of that name already.
    pub fn pipelined_method<A, R, F, Fut, Rest>(self, name: &str, method: F) -> Self
    where
        A: FromArguments + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Rest, HubError>> + Send + 'static,
        Rest: Future<Output = Result<R, HubError>> + Send + 'static,
    {
        self.register(name, Box::new(Pipelined::new(method)))
    }

    /// Runs when a connection's handshake has succeeded, before its first call. An error ends the connection.
    pub fn on_connected<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Caller) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HubError>> + Send + 'static,
    {
        self.connected = Some(Box::new(move |caller| handler(caller).boxed()));
        self
    }

    /// Runs exactly once when a connection has ended, with the error if it did not end by plan. Not for connections whose
    /// connected handler failed.
    pub fn on_disconnected<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Caller, Option<String>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.disconnected = Some(Box::new(move |caller, error| handler(caller, error).boxed()));
        self
    }

    fn register(mut self, name: &str, method: Box<dyn Method>) -> Self {
        let registered = Registered { method, metrics: None, name: name.to_owned() };
        let before = self.methods.insert(name.to_lowercase(), registered);
        assert!(before.is_none(), "hub method '{name}' is registered twice");
        self
    }

    pub(crate) fn count_in(&mut self, metrics: &Metrics) {
        for registered in self.methods.values_mut() {
            registered.metrics = Some(metrics.method(&registered.name));
        }
    }

    /// Looks a call's method up, binds its arguments and begins it. Nothing has run yet but the method's synchronous
    /// beginning; poll the future.
    pub(crate) fn begin(
        &self,
        caller: Caller,
        call: &Invocation<'_>,
        encoding: Encoding,
    ) -> (Option<&Registered>, Result<CallFuture, CallError>) {
        let Some(registered) = self.find(&call.target) else {
            return (None, Err(CallError::UnknownTarget));
        };
        if !call.stream_ids.is_empty() {
            return (Some(registered), Err(CallError::UploadStreams(call.stream_ids.len())));
        }
        (Some(registered), registered.method.begin(caller, call.arguments, encoding))
    }

    pub(crate) fn has(&self, target: &str) -> bool {
        self.find(target).is_some()
    }

    fn find(&self, target: &str) -> Option<&Registered> {
        // Most clients write the name as it was registered in lower case or not; only others pay for a copy.
        match self.methods.get(target) {
            Some(registered) => Some(registered),
            None => self.methods.get(&target.to_lowercase()),
        }
    }

    /// The connected handler as a call that holds all slots.
    pub(crate) fn connected(&self, caller: Caller) -> Option<CallFuture> {
        let handler = self.connected.as_ref()?;
        let connected = handler(caller);
        Some(
            async move { connected.await.map(|()| Admission::Done(Completion::Nothing)).map_err(CallError::Method) }
                .boxed(),
        )
    }

    pub(crate) async fn disconnected(&self, caller: Caller, error: Option<String>) {
        if let Some(handler) = &self.disconnected {
            handler(caller, error).await;
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").field("methods", &self.methods.keys()).finish_non_exhaustive()
    }
}

/// The connection that calls a hub method, and the way from it to all others. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) handle: ConnectionHandle,
    pub(crate) server: Weak<Shared>,
}

impl Caller {
    /// Public name of the calling connection.
    pub fn connection_id(&self) -> ConnectionId {
        self.handle.id()
    }

    /// The calling connection, for sending to it or keeping it in lists of one's own.
    pub fn connection(&self) -> &ConnectionHandle {
        &self.handle
    }

    /// Sends to the caller alone.
    pub fn itself(&self) -> Target {
        self.clients().connection(self.connection_id())
    }

    /// All connections of this server.
    pub fn clients(&self) -> Clients {
        Clients { server: self.server() }
    }

    /// Groups of connections.
    pub fn groups(&self) -> Groups {
        Groups { server: self.server() }
    }

    fn server(&self) -> Option<Arc<Shared>> {
        self.server.upgrade()
    }
}
