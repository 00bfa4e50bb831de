//! The portal, at the public listener or one of its own: what the settings let it tell, and who is let in to ask.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use quix_gateway::portal::{
    Credentials, EMBEDDED_ONLY, KafkaAccess, NO_ADDRESS, Portal, PortalSettings, Program, Refusal, Security,
};
use quix_gateway::{Gateway, Visitor};

use super::connection::Visit;
use super::entrance::Entrance;
use super::host;
use super::throttle::Throttle;
use crate::commands::CommandError;
use crate::config::{Config, PasswordSource, Storage};

/// The portal behind its checks. They are stricter than those of other routes: what is told here is no page's business.
#[derive(Debug)]
pub(super) struct PortalDoor {
    portal: Portal,
    entrance: Arc<Entrance>,
    is_for_this_machine: bool,
    is_encrypted: bool,
    foreign_pages: Throttle,
}

impl PortalDoor {
    /// Of this gateway; `kafka` is where Kafka clients are served beside it.
    pub(super) fn new(
        config: &Config,
        kafka: Option<SocketAddr>,
        gateway: Arc<Gateway>,
        entrance: Arc<Entrance>,
    ) -> Result<Self, PortalFileError> {
        let settings = settings(config, kafka)?;
        match &settings.kafka {
            Ok(kafka) if config.portal.kafka_address.is_some() && kafka.security == Security::PlainText => {
                tracing::info!(
                    address = kafka.address,
                    "programs are told Kafka's address and no password: whoever reaches it may do what Kafka lets anybody do"
                )
            }
            _ => {}
        }
        Ok(Self {
            portal: Portal::new(gateway, settings),
            entrance,
            is_for_this_machine: super::settings::is_for_this_machine(config),
            is_encrypted: config.tls.certificate.is_some(),
            foreign_pages: Throttle::default(),
        })
    }

    /// The answer to a request for one of the portal's addresses.
    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        visit: &Visit,
        is_draining: bool,
    ) -> Response<Body> {
        match self.let_in(&mut request, visit, is_draining) {
            Ok(visitor) => {
                let is_here = is_here(&request, visit.client);
                let program = Program { visitor, address: visit.client, is_here, is_encrypted: self.is_encrypted };
                self.portal.answer(request.map(Body::new), &program).await
            }
            Err(refused) => *refused,
        }
    }

    fn let_in(
        &self,
        request: &mut Request<Incoming>,
        visit: &Visit,
        is_draining: bool,
    ) -> Result<Visitor, Box<Response<Body>>> {
        let refused = |status, message: &str| Err(Refusal::new(status, message).into_response().into());
        self.portal.is_open().map_err(Refusal::into_response)?;
        if request.method() == Method::OPTIONS {
            let mut response =
                Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "The portal answers no web pages.").into_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            return Err(response.into());
        }
        if self.is_for_this_machine && host::foreign_host(request).is_some() {
            return refused(StatusCode::MISDIRECTED_REQUEST, FOREIGN_HOST);
        }
        if is_of_foreign_page(request) {
            if let Some(unsaid) = self.foreign_pages.may_speak() {
                tracing::warn!(address = %visit.client, unsaid, "a page of another origin asked the portal and was refused");
            }
            return refused(StatusCode::FORBIDDEN, "The portal answers no web pages of other origins.");
        }
        if is_draining {
            return refused(StatusCode::SERVICE_UNAVAILABLE, "The server is stopping; try again.");
        }
        // A token in an address would stand in the logs of proxies: only the header counts.
        let uri = std::mem::take(request.uri_mut());
        *request.uri_mut() = Uri::from_static("/");
        let admitted = self.entrance.admit(request, visit.client);
        *request.uri_mut() = uri;
        let visitor = admitted.map_err(|refused| retold(*refused))?;
        visit.newcomer.is_let_in();
        Ok(visitor.unwrap_or(Visitor::anybody()))
    }
}

/// The same refusal in words for whoever runs a program, who sees nothing else.
fn retold(refused: Response<Body>) -> Response<Body> {
    let message = match refused.status() {
        StatusCode::UNAUTHORIZED => NO_TOKEN,
        StatusCode::BAD_REQUEST => "There are two Authorization headers; send one.",
        StatusCode::TOO_MANY_REQUESTS => "Too many tokens of this address were refused; try again later.",
        _ => "The server cannot judge tokens yet; try again.",
    };
    let mut response = Refusal::new(refused.status(), message).into_response();
    if let Some(after) = refused.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    response
}

/// Whether a program is on this machine, as far as can be told: what a proxy forwards is of elsewhere, whether or not the proxy
/// is trusted, and so is who calls this machine by another name.
fn is_here<B>(request: &Request<B>, client: IpAddr) -> bool {
    let is_forwarded = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
    client.to_canonical().is_loopback() && !is_forwarded && host::foreign_host(request).is_none()
}

/// What proxies add to requests.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];

/// Whether a browser asks, for another page than one of this server's.
fn is_of_foreign_page<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let is_ours = |origin: &HeaderValue| {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        authority.is_some() && authority == host::of(request)
    };
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.get_all(header::ORIGIN).iter().any(|origin| !is_ours(origin))
        || !matches!(site, None | Some(b"same-origin" | b"none"))
}

/// A file of the portal's that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} of `{setting}` {problem}", path.display())]
pub(super) struct PortalFileError {
    path: PathBuf,
    setting: &'static str,
    problem: String,
}

/// Whether the files of the portal are what the settings say.
pub fn check_portal(config: &Config) -> Result<(), CommandError> {
    settings(config, None).map(drop).map_err(|error| CommandError::Serve(error.to_string()))
}

/// Where Kafka is, as programs that ask the portal are told; else what they are told instead.
pub fn portal_address(config: &Config, listener: Option<SocketAddr>) -> Result<String, &'static str> {
    if !config.portal.enabled {
        return Err("This server's portal is off (`portal.enabled`).");
    }
    kafka_address(config, listener).map(|place| place.address)
}

fn settings(config: &Config, kafka: Option<SocketAddr>) -> Result<PortalSettings, PortalFileError> {
    let portal = &config.portal;
    // Then its files need not be there.
    if !portal.enabled {
        return Ok(PortalSettings { is_on: false, ..PortalSettings::default() });
    }
    let access = match kafka_address(config, kafka) {
        Ok(place) => Ok(access(config, place)?),
        Err(why) => Err(why),
    };
    Ok(PortalSettings {
        is_on: true,
        kafka: access,
        topic_prefix: config.topic_prefix(),
        create_topics: portal.create_topics,
        max_partitions: i32::try_from(portal.max_partitions).unwrap_or(i32::MAX),
        allow_plain_http: portal.allow_plain_http,
    })
}

/// Where programs reach Kafka.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    address: String,
    is_for_this_machine: bool,
}

impl Place {
    fn named(address: String) -> Self {
        Self { address, is_for_this_machine: false }
    }
}

/// Nothing is told unasked but to this machine, of a listener that is for it.
fn kafka_address(config: &Config, listener: Option<SocketAddr>) -> Result<Place, &'static str> {
    if let Some(address) = &config.portal.kafka_address {
        return Ok(Place::named(address.split(',').map(str::trim).collect::<Vec<_>>().join(",")));
    }
    match (config.storage(), listener) {
        (Storage::Kafka, _) => Err(NO_ADDRESS),
        (_, None) => Err(EMBEDDED_ONLY),
        (_, Some(listener)) => {
            let local = config.portal.listen.unwrap_or(config.listen).ip().is_loopback() && listener.ip().is_loopback();
            let here = || local.then(|| Place { address: listener.to_string(), is_for_this_machine: true });
            config.kafka_advertised.clone().map(Place::named).or_else(here).ok_or(NO_ADDRESS)
        }
    }
}

fn access(config: &Config, place: Place) -> Result<KafkaAccess, PortalFileError> {
    let portal = &config.portal;
    let credentials = match (&portal.username, portal.password_source()) {
        (Some(username), Some(source)) => {
            Some(Credentials { username: username.clone(), password: password(&source, "portal.password_file")? })
        }
        _ => None,
    };
    let of_users = portal.users.iter().map(|user| {
        let password = password(&user.password, "portal.users")?;
        Ok((user.subject.clone(), Credentials { username: user.username.clone(), password }))
    });
    let ca = portal.ca_file.as_ref().map(|path| {
        let text = read(path, "portal.ca_file")?;
        // Programs get the file as it is.
        if text.contains("PRIVATE KEY-----") {
            return Err(wrong(path, "portal.ca_file", "holds a private key; name a file of certificates alone"));
        }
        let is_pem = text.contains("-----BEGIN CERTIFICATE-----");
        is_pem.then_some(text).ok_or_else(|| wrong(path, "portal.ca_file", "holds no certificate in PEM"))
    });
    Ok(KafkaAccess {
        address: place.address,
        is_for_this_machine: place.is_for_this_machine,
        security: portal.protection(),
        ca: ca.transpose()?,
        credentials,
        of_users: of_users.collect::<Result<_, _>>()?,
    })
}

fn password(source: &PasswordSource, setting: &'static str) -> Result<String, PortalFileError> {
    match source {
        PasswordSource::Here(secret) => Ok(secret.reveal().to_owned()),
        PasswordSource::File(path) => {
            let text = read(path, setting)?;
            let password = text.strip_suffix('\n').unwrap_or(&text);
            let password = password.strip_suffix('\r').unwrap_or(password);
            if password.is_empty() { Err(wrong(path, setting, "is empty")) } else { Ok(password.to_owned()) }
        }
    }
}

fn read(path: &Path, setting: &'static str) -> Result<String, PortalFileError> {
    fs::read_to_string(path).map_err(|error: io::Error| wrong(path, setting, &format!("cannot be read: {error}")))
}

fn wrong(path: &Path, setting: &'static str, problem: &str) -> PortalFileError {
    PortalFileError { path: path.to_owned(), setting, problem: problem.to_owned() }
}

const NO_TOKEN: &str = "The token is missing, not known here, or over. Set Quix__Sdk__Token to a token of this server that has \
                        the scope kafka.";
const FOREIGN_HOST: &str = "Without authentication this server answers to the names of this machine only. Set Quix__Portal__Api \
                            to http://localhost and the port.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_is_told_of_unasked_on_this_machine_only() {
        let local: SocketAddr = "127.0.0.1:9092".parse().unwrap();
        let any: SocketAddr = "0.0.0.0:9092".parse().unwrap();
        let folder = Config::default;
        let kafka = || Config {
            kafka: crate::config::KafkaConfig { brokers: vec!["k:1".into()], ..Default::default() },
            ..folder()
        };
        let advertised = || Config { kafka_advertised: Some("plant:9092".into()), ..folder() };
        let named = |config: Config| {
            let portal = crate::config::PortalConfig { kafka_address: Some("a:1, b:2".into()), ..Default::default() };
            Config { portal, ..config }
        };
        let public = |config: Config| Config { listen: "0.0.0.0:8080".parse().unwrap(), ..config };
        let at = |config: Config, listen: &str| {
            let portal = crate::config::PortalConfig { listen: listen.parse().ok(), ..Default::default() };
            Config { portal, ..config }
        };
        for (config, listener, told) in [
            (folder(), Some(local), Ok(("127.0.0.1:9092", true))),
            (folder(), None, Err(EMBEDDED_ONLY)),
            (folder(), Some(any), Err(NO_ADDRESS)),
            (public(folder()), Some(local), Err(NO_ADDRESS)),
            (at(public(folder()), "127.0.0.1:8081"), Some(local), Ok(("127.0.0.1:9092", true))),
            (at(folder(), "10.0.0.7:8081"), Some(local), Err(NO_ADDRESS)),
            (advertised(), Some(any), Ok(("plant:9092", false))),
            (advertised(), Some(local), Ok(("plant:9092", false))),
            (public(advertised()), Some(any), Ok(("plant:9092", false))),
            (advertised(), None, Err(EMBEDDED_ONLY)),
            (Config { memory: true, ..folder() }, None, Err(EMBEDDED_ONLY)),
            (kafka(), None, Err(NO_ADDRESS)),
            (named(kafka()), None, Ok(("a:1,b:2", false))),
            (named(folder()), Some(local), Ok(("a:1,b:2", false))),
        ] {
            let told =
                told.map(|(address, is_for_this_machine)| Place { address: address.into(), is_for_this_machine });
            assert_eq!(kafka_address(&config, listener), told, "{config:?} {listener:?}");
        }
    }

    #[test]
    fn whoever_comes_by_a_proxy_or_another_name_is_elsewhere() {
        let local = "127.0.0.1";
        for (client, header, host, wanted) in [
            (local, None, "localhost:8080", true),
            ("::1", None, "[::1]:8080", true),
            ("::ffff:127.0.0.1", None, "127.0.0.1", true),
            ("192.0.2.7", None, "localhost", false),
            (local, None, "plant.example", false),
            (local, Some(("x-forwarded-for", "192.0.2.7")), "localhost", false),
            (local, Some(("x-forwarded-for", "127.0.0.1")), "localhost", false),
            (local, Some(("forwarded", "for=unknown")), "localhost", false),
            (local, Some(("x-real-ip", "192.0.2.7")), "localhost", false),
            (local, Some(("via", "1.1 proxy")), "localhost", false),
            (local, Some(("accept", "*/*")), "localhost", true),
        ] {
            let request = Request::get("/workspaces").header("host", host);
            let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
            let is_here = is_here(&request.body(()).unwrap(), client.parse().unwrap());
            assert_eq!(is_here, wanted, "{client} {header:?} {host}");
        }
    }

    #[test]
    fn certificates_are_handed_out_without_their_key() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("ca.pem");
        let certificate = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
        for (text, problem) in [
            (certificate.to_owned(), None),
            (certificate.repeat(2), None),
            (format!("{certificate}-----BEGIN PRIVATE KEY-----\nMA==\n"), Some("holds a private key")),
            (format!("-----BEGIN EC PRIVATE KEY-----\nMA==\n{certificate}"), Some("holds a private key")),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n".to_owned(), Some("holds a private key")),
            ("MA==".to_owned(), Some("holds no certificate in PEM")),
            (String::new(), Some("holds no certificate in PEM")),
        ] {
            fs::write(&path, &text).unwrap();
            let portal = crate::config::PortalConfig { ca_file: Some(path.clone()), ..Default::default() };
            let config = Config { portal, ..Config::default() };
            match (access(&config, Place::named("k:1".into())), problem) {
                (Ok(access), None) => assert_eq!(access.ca, Some(text)),
                (Err(error), Some(problem)) => assert!(error.to_string().contains(problem), "{text}: {error}"),
                (access, _) => panic!("{text}: {access:?}"),
            }
        }
    }
}
