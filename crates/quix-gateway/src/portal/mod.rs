//! The portal: the few addresses of Quix's at which programs on Quix Streams ask where Kafka is and which topics there are.
//! Then they talk to Kafka, past everything here: whoever is told of Kafka is told what Kafka's own rules let them do.
//!
//! Whoever asks needs the right `kafka`, at each address. The request's origin and token are the server's to judge.

mod certificates;
mod leaders;
mod new_topic;
mod recent;
mod refusal;
mod route;
mod settings;
#[cfg(test)]
mod tests;
mod topics;
mod workspace;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use self::leaders::Leaders;
use self::recent::RecentTopics;
pub use self::refusal::Refusal;
pub use self::route::RESERVED_WORKSPACES;
use self::route::Route;
pub use self::settings::{Credentials, EMBEDDED_ONLY, KafkaAccess, Mechanism, NO_ADDRESS, PortalSettings, Security};
use self::workspace::{Connection, Workspace, certificate};
use crate::gateway::Gateway;
use crate::http_api::read_body;
use crate::visitor::Visitor;

/// Answers what programs ask.
#[derive(Debug)]
pub struct Portal {
    gateway: Arc<Gateway>,
    settings: PortalSettings,
    /// In small letters: clients ask for it so.
    workspace: String,
    recent: RecentTopics,
    leaders: Leaders,
}

/// Who asks, and how.
#[derive(Debug, Clone)]
pub struct Program {
    /// What they may do.
    pub visitor: Visitor,
    /// Where they are, for the log.
    pub address: IpAddr,
    /// Whether they are on this machine. What a proxy forwards is not.
    pub is_here: bool,
    /// Whether nobody on the way can read the answer.
    pub is_encrypted: bool,
}

impl Portal {
    /// Of this gateway's workspace and topics.
    pub fn new(gateway: Arc<Gateway>, settings: PortalSettings) -> Self {
        let workspace = gateway.settings.workspace.to_ascii_lowercase();
        Self { gateway, settings, workspace, recent: RecentTopics::default(), leaders: Leaders::default() }
    }

    /// Whether a path is the portal's, whether or not there is one.
    pub fn takes(path: &str) -> bool {
        Route::of(path).is_some()
    }

    /// Whether there is one.
    ///
    /// # Errors
    /// The answer to whoever looks for it.
    pub fn is_open(&self) -> Result<(), Refusal> {
        if self.settings.is_on {
            return Ok(());
        }
        let message = "This server has no portal: it is switched off by the setting portal.enabled. Switch it on, or give the \
                       program Kafka's address itself.";
        Err(Refusal::new(StatusCode::NOT_FOUND, message))
    }

    /// The answer to a request, for a program that was let in.
    pub async fn answer(&self, request: Request, program: &Program) -> Response {
        let path = request.uri().path().to_owned();
        let route = Route::of(&path).unwrap_or(Route::Other);
        let mut response = match self.answer_at(&route, request, program).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(route.methods()));
        }
        self.gateway.metrics.portal_answered(route.label(), response.status().as_u16());
        response
    }

    async fn answer_at(&self, route: &Route<'_>, request: Request, program: &Program) -> Result<Response, Refusal> {
        let visitor = &program.visitor;
        self.is_open()?;
        if !visitor.may_use_kafka() {
            return Err(Refusal::new(StatusCode::FORBIDDEN, NO_RIGHT));
        }
        self.check_route(route, &request)?;
        match route {
            Route::Workspaces => {
                let (kafka, user) = self.told(program)?;
                Ok(ok(&[Workspace::new(&self.workspace, kafka, user)]))
            }
            Route::Workspace(_) => {
                let (kafka, user) = self.told(program)?;
                Ok(ok(&Workspace::new(&self.workspace, kafka, user)))
            }
            Route::Connection(_) => {
                let (kafka, user) = self.told(program)?;
                Ok(ok(&Connection::new(&self.workspace, kafka, user)))
            }
            Route::Certificates(_) => Ok(certificates(self.told(program)?.0)),
            Route::Topics(_) if request.method() == Method::POST => {
                let body = self.body(request).await?;
                self.make_topic(visitor, &body).await.map(|topic| ok(&topic))
            }
            Route::Topics(_) => self.topics(visitor).await.map(|topics| ok(&topics)),
            Route::Topic(_, text) => self.topic(visitor, text).await.map(|topic| ok(&topic)),
            Route::Permission => Ok(ok(&self.permits(request.uri().query().unwrap_or_default()))),
            Route::Other => Err(not_offered(&request, StatusCode::NOT_FOUND)),
        }
    }

    fn check_route(&self, route: &Route<'_>, request: &Request) -> Result<(), Refusal> {
        if let Some(workspace) = route.workspace().filter(|name| !name.eq_ignore_ascii_case(&self.workspace)) {
            let asked: String = workspace.chars().take(MAX_ECHO).collect();
            let message = format!(
                "There is no workspace '{asked}' here, only '{}'. Leave Quix__Workspace__Id unset, or set it to that.",
                self.workspace
            );
            return Err(Refusal::new(StatusCode::NOT_FOUND, message));
        }
        match route {
            Route::Other => Err(not_offered(request, StatusCode::NOT_FOUND)),
            route if !route.takes(request.method()) => Err(not_offered(request, StatusCode::METHOD_NOT_ALLOWED)),
            _ => Ok(()),
        }
    }

    /// How a program reaches Kafka, and as whom; it is noted who was told.
    fn told(&self, program: &Program) -> Result<(&KafkaAccess, Option<&Credentials>), Refusal> {
        let nowhere = |why: &str| Refusal::new(StatusCode::NOT_IMPLEMENTED, why);
        let kafka = self.settings.kafka.as_ref().map_err(|why| nowhere(why))?;
        if kafka.is_for_this_machine && !program.is_here {
            return Err(nowhere(NO_ADDRESS));
        }
        if kafka.security.mechanism().is_none() {
            return Ok((kafka, None));
        }
        let grant = program.visitor.grant();
        let subject = grant.and_then(|grant| grant.subject.as_deref());
        let own = subject.and_then(|subject| kafka.of_users.get(subject));
        let may_write = grant.is_none_or(|grant| grant.scopes.write_anything());
        let credentials = own.or(kafka.credentials.as_ref().filter(|_| may_write));
        let refused = if may_write { NO_USER } else { NO_READER };
        let credentials = credentials.ok_or_else(|| Refusal::new(StatusCode::FORBIDDEN, refused))?;
        if !program.is_encrypted && !program.is_here && !self.settings.allow_plain_http {
            return Err(Refusal::new(StatusCode::FORBIDDEN, READABLE));
        }
        let token = grant.and_then(|grant| grant.token_id.as_deref());
        tracing::info!(
            subject,
            token,
            workspace = self.workspace,
            address = %program.address,
            kafka_user = credentials.username,
            "a program was told how to reach Kafka"
        );
        Ok((kafka, Some(credentials)))
    }

    /// Whether the bearer may do to the workspace what the query asks about: to know of it they may.
    fn permits(&self, query: &str) -> bool {
        let value = |names: &[&str]| names.iter().find_map(|name| signalr_server::auth::query_value(query, name));
        let is = |names: &[&str], wanted: &str| value(names).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
        is(&["resourceType"], "Workspace")
            && is(&["resourceId"], &self.workspace)
            && is(&["permission", "permissions"], "Read")
    }

    async fn body(&self, request: Request) -> Result<Bytes, Refusal> {
        let body = read_body(request, &self.gateway).await?;
        if body.len() > MAX_BODY_BYTES {
            let message = format!("The body is longer than {MAX_BODY_BYTES} bytes.");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        Ok(body)
    }

    fn workspace(&self) -> &str {
        &self.workspace
    }
}

fn ok(document: &(impl Serialize + ?Sized)) -> Response {
    // Of texts and numbers.
    let json = serde_json::to_vec(document).expect("a document of texts and numbers always serialises");
    response(StatusCode::OK, "application/json", json)
}

fn certificates(kafka: &KafkaAccess) -> Response {
    match certificate(kafka) {
        Some(pem) => response(StatusCode::OK, "application/zip", certificates::archive(pem)),
        None => response(StatusCode::NO_CONTENT, "", Vec::new()),
    }
}

/// What nobody is to keep.
fn response(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !kind.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn not_offered(request: &Request, status: StatusCode) -> Refusal {
    let path: String = request.uri().path().chars().take(MAX_ECHO).collect();
    let message = format!(
        "The portal of this server does not offer {} {path}: it answers what Quix Streams asks at its start, and is no other \
         part of Quix's.",
        request.method()
    );
    Refusal::new(status, message)
}

const NO_RIGHT: &str = "This token may not use Kafka. Give it the right `kafka`, and the topics that the program uses: \
                        `streamgate token new --read 'f1-*' --write 'f1-*' --scope 'kafka create_topics'` makes one that may \
                        also make them.";
const NO_USER: &str = "This server has no Kafka user for this token. Name one in the server's settings, portal.username for \
                       all or portal.users for this token's subject.";
const NO_READER: &str = "This server has no Kafka user for this token, which may write to no topic. Name one in the server's \
                         settings, portal.users for this token's subject, or give the token the right to write.";
const READABLE: &str = "Kafka's password is not told over HTTP without TLS to other machines. Use https, or, behind a proxy \
                        that has the TLS, set portal.allow_plain_http.";

/// What asks for a topic is short.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Characters of a client's text that an answer repeats.
const MAX_ECHO: usize = 100;
