//! `Target`: what a client command talks to: a server that runs, or one of its own over a data folder that no server has.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use tokio::net::TcpListener;

use super::{CommandError, client::Client, folder};
use crate::{
    args::{ConfigFlags, ServerArgs},
    config::{AuthConfig, Config, Destinations, PollingSources},
    server::{ChoiceError, Server, Sockets, choose_broker},
};

/// A client, and the server that it needs.
pub(super) struct Target {
    pub(super) client: Client,
    /// Ends with the command.
    _own: Option<Server>,
}

/// What to do where the data folder is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Refuse,
}

impl Target {
    pub(super) async fn reach(args: &ServerArgs, missing: Missing) -> Result<Self, CommandError> {
        match &args.data {
            None => {
                Ok(Self { client: Client::new(&args.url().map_err(CommandError::Serve)?, args.token())?, _own: None })
            }
            Some(folder) if missing == Missing::Refuse && !folder.exists() => {
                Err(CommandError::Folder(format!("there is no data folder {}", folder.display())))
            }
            Some(folder) => Self::own(config(folder)?, folder.display().to_string()).await,
        }
    }

    /// A server of its own over a Kafka.
    pub(super) async fn over_kafka(brokers: &str) -> Result<Self, CommandError> {
        let mut config = config(Path::new(""))?;
        config.kafka.brokers = brokers.split(',').map(|broker| broker.trim().to_owned()).collect();
        Self::own(config, format!("Kafka {brokers}")).await
    }

    async fn own(config: Config, name: String) -> Result<Self, CommandError> {
        let server = serve(&config).await?;
        let url = format!("http://{}", server.public).parse();
        let url = url.map_err(|error| CommandError::Serve(format!("{}: {error}", server.public)))?;
        Ok(Self { client: Client::named(&url, name, None)?, _own: Some(server) })
    }
}

/// The whole server, on a port of this machine that nobody knows.
async fn serve(config: &Config) -> Result<Server, CommandError> {
    let public = TcpListener::bind(config.listen).await.map_err(CommandError::System)?;
    let broker = choose_broker(config).await.map_err(|error| match error {
        ChoiceError::Folder(error) => folder::refused(&error, &config.data, folder::Busy::AskServer),
        ChoiceError::Settings(error) => CommandError::Serve(error.to_string()),
    })?;
    let sockets = Sockets { public, portal: None, certificate: None, credentials: None, management: None, kafka: None };
    Server::start(config, broker, sockets).map_err(CommandError::System)
}

/// As a server here would be configured, but for the folder. A command deletes nothing, however old it is.
fn config(folder: &Path) -> Result<Config, CommandError> {
    let named = std::env::var_os("STREAMGATE_CONFIG").filter(|path| !path.is_empty()).map(Into::into);
    let mut config = ConfigFlags { config: named, ..ConfigFlags::default() }.load()?.config;
    config.listen = (Ipv4Addr::LOCALHOST, 0).into();
    config.data = folder.to_owned();
    config.memory = false;
    config.kafka.brokers.clear();
    config.kafka_listen = None;
    // Whoever may use the folder may use the server over it, which nobody else knows.
    config.auth = AuthConfig::default();
    config.allowed_origins = Config::default().allowed_origins;
    // What it fetches or sends is a server's work.
    (config.sources, config.destinations) = (PollingSources::default(), Destinations::default());
    config.log.retention_bytes = usize::MAX / 2;
    config.log.retention_age = CENTURY;
    Ok(config)
}

const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
