//! `Hub`: methods by name, and what happens when connections come and go. `Caller` is what they are given.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use futures::{FutureExt, Stream};
use hyper::http::request::Parts;
use serde::Serialize;
use signalr_proto::{FromArguments, Invocation};

use crate::call::{
    Admission, Begin, CallFuture, Completion, holding, pipelined, plain, streaming, upload_streaming, uploading,
};
use crate::clients::{Client, Clients, Target};
use crate::connection::{ConnectionHandle, Context};
use crate::error::{CallError, HubError};
use crate::groups::Groups;
use crate::ids::ConnectionId;
use crate::metrics::{MethodMetrics, Metrics};
use crate::service::Shared;
use crate::transport::Transport;
use crate::uploads::FromUploads;
use crate::user::User;

/// The methods clients can call, by name. Names are compared without case; there is no overloading.
#[derive(Default)]
pub struct Hub {
    methods: HashMap<String, Registered>,
    connected: Option<Connected>,
    disconnected: Option<Disconnected>,
    context: Option<KeepContext>,
}

type KeepContext = Box<dyn Fn(&Parts) -> Option<Context> + Send + Sync>;

pub(crate) struct Registered {
    pub(crate) begin: Begin,
    pub(crate) metrics: Option<Arc<MethodMetrics>>,
    name: String,
    /// It answers with a stream.
    streams: bool,
    /// Number of streams it reads.
    uploads: usize,
    policy: Option<Policy>,
}

type Policy = Box<dyn Fn(Option<&User>) -> bool + Send + Sync>;
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
    /// When its connection ends, a call is dropped where it stands: what must not be cut off belongs in a task of its own.
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
        self.register(name, plain(method), false, 0)
    }

    /// Adds a method that gives a guard with its result. The guard is dropped when the completion stands in the connection's
    /// output, or will never: what is sent to the caller from then on comes behind it. So a method can answer with a state
    /// while whoever sends the changes of that state waits for the guard.
    ///
    /// # Panics
    /// If there is a method of that name already.
    pub fn holding_method<A, R, G, F, Fut>(self, name: &str, method: F) -> Self
    where
        A: FromArguments + 'static,
        R: Serialize + Send + 'static,
        G: Send + 'static,
        F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(R, G), HubError>> + Send + 'static,
    {
        self.register(name, holding(method), false, 0)
    }

    /// Adds a method of two parts: `method` *admits* the call and gives back the future that *completes* it. The first
    /// part holds the connection's slot, so calls are admitted in the order they arrive; the second runs beside later
    /// calls, up to [`max_calls_in_flight`](crate::Options::max_calls_in_flight). So a client that does not await each
    /// call keeps its order and does not wait for each round trip.
    ///
    /// A call that is being admitted when its connection ends is admitted all the same, if that takes no longer than the
    /// client's side of the socket is waited for, 5 s. Not where the server stops or the credentials end: there it had its time.
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
        self.register(name, pipelined(method), false, 0)
    }

    /// Adds a method that answers with a stream, for clients' `stream`. The method gives the stream, or an error instead
    /// of one; the stream gives items, up to its end or its first error.
    ///
    /// The stream is polled only while what waits for the client's socket is little: it goes at the client's pace. It is
    /// dropped when the client cancels it or the connection ends. Streams take no slot; a connection may have
    /// [`max_streams`](crate::Options::max_streams).
    ///
    /// ```
    /// # use signalr_server::{Caller, Hub, HubError};
    /// use futures::{StreamExt, stream};
    /// Hub::new().stream_method("Count", |_: Caller, (to,): (u32,)| async move {
    ///     Ok(stream::iter(0..to).map(Ok::<_, HubError>))
    /// });
    /// ```
    ///
    /// # Panics
    /// If there is a method of that name already.
    pub fn stream_method<A, T, S, F, Fut>(self, name: &str, method: F) -> Self
    where
        A: FromArguments + 'static,
        T: Serialize + 'static,
        S: Stream<Item = Result<T, HubError>> + Send + 'static,
        F: Fn(Caller, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, HubError>> + Send + 'static,
    {
        self.register(name, streaming(method), true, 0)
    }

    /// Adds a method that reads streams of its caller: after its arguments it takes a tuple of
    /// [`Upload`](crate::Upload)s, whose number a call must match. When it ends, so do they.
    ///
    /// Such calls take no slot; a connection may feed [`max_upload_streams`](crate::Options::max_upload_streams).
    ///
    /// ```
    /// # use signalr_server::{Caller, Hub, Upload};
    /// use futures::TryStreamExt;
    /// Hub::new().upload_method("Sum", |_: Caller, (): (), (items,): (Upload<i64>,)| {
    ///     items.try_fold(0, |sum, item| async move { Ok(sum + item) })
    /// });
    /// ```
    ///
    /// # Panics
    /// If there is a method of that name already.
    pub fn upload_method<A, U, R, F, Fut>(self, name: &str, method: F) -> Self
    where
        A: FromArguments + 'static,
        U: FromUploads,
        R: Serialize + Send + 'static,
        F: Fn(Caller, A, U) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HubError>> + Send + 'static,
    {
        self.register(name, uploading(method), false, U::COUNT)
    }

    /// Adds a method that reads streams of its caller, as by [`upload_method`](Self::upload_method), and answers with
    /// one, as by [`stream_method`](Self::stream_method).
    ///
    /// # Panics
    /// If there is a method of that name already.
    pub fn upload_stream_method<A, U, T, S, F, Fut>(self, name: &str, method: F) -> Self
    where
        A: FromArguments + 'static,
        U: FromUploads,
        T: Serialize + 'static,
        S: Stream<Item = Result<T, HubError>> + Send + 'static,
        F: Fn(Caller, A, U) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, HubError>> + Send + 'static,
    {
        self.register(name, upload_streaming(method), true, U::COUNT)
    }

    /// Allows a method to those users only that `policy` accepts; others are answered that they are unauthorized.
    /// Connections of nobody known are `None`. Default: everybody.
    ///
    /// ```
    /// # use signalr_server::{Caller, Hub};
    /// Hub::new().method("Secret", |_: Caller, (): ()| async { Ok(42) }).require("Secret", |user| user.is_some());
    /// ```
    ///
    /// # Panics
    /// If there is no method of that name.
    pub fn require(mut self, name: &str, policy: impl Fn(Option<&User>) -> bool + Send + Sync + 'static) -> Self {
        match self.methods.get_mut(&name.to_lowercase()) {
            Some(registered) => registered.policy = Some(Box::new(policy)),
            None => panic!("there is no hub method '{name}' to restrict"),
        }
        self
    }

    /// Keeps something of each connection's first request but the negotiation, or nothing, for [`Caller::context`]. Keep
    /// little: it stays as long as the connection, and a single header kept as it is keeps the memory of all of them.
    pub fn context<C, F>(mut self, keep: F) -> Self
    where
        C: Send + Sync + 'static,
        F: Fn(&Parts) -> Option<C> + Send + Sync + 'static,
    {
        self.context = Some(Box::new(move |request| keep(request).map(|kept| Box::new(kept) as Context)));
        self
    }

    pub(crate) fn context_of(&self, request: &Parts) -> Option<Context> {
        self.context.as_ref().and_then(|keep| keep(request))
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

    fn register(mut self, name: &str, begin: Begin, streams: bool, uploads: usize) -> Self {
        let registered = Registered { begin, metrics: None, name: name.to_owned(), streams, uploads, policy: None };
        let before = self.methods.insert(name.to_lowercase(), registered);
        assert!(before.is_none(), "hub method '{name}' is registered twice");
        self
    }

    pub(crate) fn count_in(&mut self, metrics: &Metrics) {
        for registered in self.methods.values_mut() {
            registered.metrics = Some(metrics.method(&registered.name).into());
        }
    }

    /// The method a call names.
    pub(crate) fn find(&self, target: &str) -> Option<&Registered> {
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

impl Registered {
    /// Whether this user may call it, in this way.
    pub(crate) fn check(&self, user: Option<&User>, call: &Invocation<'_>, streams: bool) -> Result<(), CallError> {
        if self.policy.as_ref().is_some_and(|allows| !allows(user)) {
            return Err(CallError::Unauthorized);
        }
        match (self.streams, streams) {
            (true, false) => return Err(CallError::StreamByPlain),
            (false, true) => return Err(CallError::PlainByStream),
            _ => {}
        }
        let (sent, expected) = (call.stream_ids.len(), self.uploads);
        if sent == expected { Ok(()) } else { Err(CallError::UploadStreams { sent, expected }) }
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

    /// What carries the calling connection.
    pub fn transport(&self) -> Transport {
        self.handle.transport()
    }

    /// What [`Hub::context`] has kept of the connection's first request. `None`: nothing, or another type.
    pub fn context<C: 'static>(&self) -> Option<&C> {
        self.handle.context()
    }

    /// Who the caller is, if that is known.
    pub fn user(&self) -> Option<&User> {
        self.handle.user()
    }

    /// The id of the caller's user, if there is one.
    pub fn user_id(&self) -> Option<&str> {
        self.handle.user_id()
    }

    /// The caller alone.
    pub fn itself(&self) -> Client {
        self.clients().connection(self.connection_id())
    }

    /// Every connection but the caller.
    pub fn others(&self) -> Target {
        self.clients().all_except(&[self.connection_id()])
    }

    /// All members of a group but the caller.
    pub fn others_in_group(&self, group: &str) -> Target {
        self.clients().group_except(group, &[self.connection_id()])
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
