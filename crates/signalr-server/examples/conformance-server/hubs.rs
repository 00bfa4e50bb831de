//! Which hubs there are: their paths, transports and settings.

use futures::future;
use hyper::Request;
use hyper::{Response, StatusCode};
use signalr_server::cors::AllowedOrigins;
use signalr_server::{
    Authentication, Body, Caller, ConnectionId, Denied, ErrorDetail, Hub, HubError, HubServer, Options, RawConnection,
    RawServer, RequestBody, Transport,
};

use crate::tokens::Tokens;
use crate::{check_hub, test_hub};

#[derive(Debug)]
pub(crate) struct Hubs {
    test: HubServer,
    others: Vec<HubServer>,
    echo: RawServer,
}

impl Hubs {
    pub(crate) fn new(tokens: &Tokens) -> Self {
        let users = tokens.clone();
        let only_users = Authentication::new(move |request: &_| match users.user_of(request) {
            Some(user) => Ok(Some(user)),
            None => Err(Denied::Unauthenticated),
        });
        let anybody = tokens.clone();
        let anybody = Authentication::new(move |request: &_| Ok(anybody.user_of(request)));
        let no_websockets = Options {
            transports: vec![Transport::ServerSentEvents, Transport::LongPolling],
            ..options(ErrorDetail::All)
        };
        let authorized = Options { authentication: Some(only_users), ..stateful(options(ErrorDetail::All)) };
        let check = Options { authentication: Some(anybody), ..stateful(options(ErrorDetail::Hidden)) };
        Self {
            test: HubServer::new("/testhub", test_hub::hub(), stateful(options(ErrorDetail::All))),
            others: vec![
                HubServer::new("/testhub-nowebsockets", test_hub::hub(), no_websockets),
                HubServer::new("/authorizedhub", Hub::new().method("Echo", test_hub::echo), authorized),
                HubServer::new("/uncreatable", uncreatable(), options(ErrorDetail::All)),
                HubServer::new("/checkhub", check_hub::hub(), check),
            ],
            echo: RawServer::new("/echo", options(ErrorDetail::Hidden), echo),
        }
    }

    pub(crate) async fn answer<B: RequestBody>(&self, request: Request<B>) -> Response<Body> {
        let path = request.uri().path();
        if let Some(hub) = std::iter::once(&self.test).chain(&self.others).find(|hub| hub.matches(path)) {
            return hub.answer(request).await;
        }
        if self.echo.matches(path) {
            return self.echo.answer(request).await;
        }
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }

    /// Asks a client of the test hub, and gives its answer or what kept it from answering.
    pub(crate) async fn ask_for_result(&self, id: &str) -> String {
        let Some(connection) = ConnectionId::parse(id) else {
            return format!("Connection '{id}' does not exist.");
        };
        match self.test.clients().connection(connection).invoke::<i32>("Result", &()).await {
            Ok(number) => number.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

/// Defaults, but for how much of an error clients are told. Origins are judged before.
fn options(detail: ErrorDetail) -> Options {
    let mut options = Options { allowed_origins: AllowedOrigins::Any, ..Options::default() };
    options.protocol.error_detail = detail;
    options
}

fn stateful(options: Options) -> Options {
    Options { stateful_reconnect: true, max_reattaches_per_second: 1_000, ..options }
}

fn uncreatable() -> Hub {
    Hub::new().on_connected(|_: Caller| {
        let text = "Unable to resolve service for type 'System.Object' while attempting to activate \
                    'FunctionalTests.UncreatableHub'.";
        future::err(HubError::internal("InvalidOperationException", text))
    })
}

async fn echo(mut connection: RawConnection) {
    while let Some(bytes) = connection.receive().await {
        connection.send_paced(&bytes).await;
    }
}
