//! `streamgate serve`: configuration → listeners and broker → serve → drain.

use std::io::{self, IsTerminal, Write, stdout};
use std::net::SocketAddr;

use embedded_log::listener::Listener;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{ServeArgs, changed_by};
use crate::banner::Banner;
use crate::commands::{CommandError, folder};
use crate::config::{Config, Loaded};
use crate::descriptors;
use crate::server::{
    Certificate, ChoiceError, Credentials, Server, Sockets, check_outgoing, check_portal, check_webhooks, choose_broker,
};

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once. SIGHUP reads the files again
/// of TLS and of tokens.
pub async fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let mut loaded = args.flags.load()?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let wanted_connections = loaded.config.limits.connections;
    let descriptors = fit_connections(&mut loaded.config);
    let config = &loaded.config;
    let mut signals = Signals::new().map_err(CommandError::System)?;
    let certificate = Certificate::load(&loaded)?;
    if let Some(certificate) = certificate.clone() {
        tokio::spawn(certificate.follow(signal(SignalKind::hangup()).map_err(CommandError::System)?));
    }
    let credentials = Credentials::load(&loaded)?;
    if let Some(credentials) = credentials.clone() {
        tokio::spawn(credentials.follow_files(signal(SignalKind::hangup()).map_err(CommandError::System)?));
    }
    check_webhooks(config)?;
    check_outgoing(config)?;
    check_portal(config)?;
    let public = bind("listen", config.listen).await?;
    let management = bind_management(&loaded).await?;
    let portal = match config.portal.own_listener() {
        Some(address) => Some(bind("portal.listen", address).await?),
        None => None,
    };
    let kafka = bind_kafka(&loaded).await?;
    let broker = choose_broker(config).await.map_err(|error| match error {
        ChoiceError::Folder(error) => folder::refused(&error, &config.data, folder::Busy::OtherFolder),
        ChoiceError::Settings(error) => CommandError::Serve(error.to_string()),
    })?;
    let described = broker.broker.describe();
    let sockets = Sockets { public, portal, certificate, credentials, management, kafka };
    let server = Server::start(config, broker, sockets).map_err(CommandError::System)?;
    let Server { public, management, portal, .. } = server;
    greet(&Banner { config, broker: &described, public, management, portal, kafka: server.kafka() });
    if let Some(descriptors) = descriptors.filter(|_| config.limits.connections < wanted_connections) {
        let connections = config.limits.connections;
        tracing::info!(
            "limits.connections is {connections}, not {wanted_connections}: {descriptors} files may be open (ulimit -n)"
        );
    }
    signals.next().await;
    tracing::info!("stopping: calls under way are finished; a second signal ends at once");
    tokio::select! {
        () = server.drain() => Ok(()),
        code = signals.next() => std::process::exit(code),
    }
}

/// Raises the number of files this process may have open, and takes no more connections than it suffices for.
fn fit_connections(config: &mut Config) -> Option<u64> {
    let descriptors = descriptors::raise()?;
    config.limits.connections = config.limits.connections.min(descriptors::connections(descriptors));
    Some(descriptors)
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, CommandError> {
    TcpListener::bind(address).await.map_err(|error| not_bound(setting, address, &error))
}

fn not_bound(setting: &str, address: SocketAddr, error: &io::Error) -> CommandError {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "another program has this port".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not have this port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have this address".to_owned(),
        _ => error.to_string(),
    };
    let change = changed_by(setting);
    CommandError::Serve(format!("cannot listen on {address}: {reason}; name another address with {change}"))
}

/// A port that was asked for must be free; without the default one the server runs on, and says so.
async fn bind_management(loaded: &Loaded) -> Result<Option<TcpListener>, CommandError> {
    match bind("admin_listen", loaded.config.admin_listen).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if loaded.is_set("admin_listen") => Err(error),
        Err(_) => Ok(None),
    }
}

/// The same for Kafka clients, where topics are kept in a folder.
async fn bind_kafka(loaded: &Loaded) -> Result<Option<Listener>, CommandError> {
    let Some(address) = loaded.kafka_listener() else {
        if loaded.config.kafka_listener().is_some() {
            tracing::info!(
                "running without a listener for Kafka clients, who need no token; the setting kafka_listen asks for one"
            );
        }
        return Ok(None);
    };
    match Listener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => {
            let error = not_bound("kafka_listen", address, &error);
            if loaded.is_set("kafka_listen") {
                return Err(error);
            }
            tracing::warn!("running without a listener for Kafka clients: {error}");
            Ok(None)
        }
    }
}

/// Prints the banner. Whoever closed standard output does not want it; the server runs all the same.
fn greet(banner: &Banner<'_>) {
    let styled = stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let _ = stdout().write_all(banner.text(styled).as_bytes());
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one, and gives the exit code by which shells know it.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 128 + 15,
            _ = self.interrupt.recv() => 128 + 2,
        }
    }
}
