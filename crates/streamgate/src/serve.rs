//! `streamgate serve`: configuration → listeners and broker → serve → drain.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::ServeArgs;
use crate::banner::Banner;
use crate::commands::CommandError;
use crate::config::Loaded;
use crate::server::{Server, choose_broker};

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once.
pub async fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let loaded = args.flags.load()?;
    let config = &loaded.config;
    let mut signals = Signals::new().map_err(system)?;
    let broker = choose_broker(config).map_err(|error| CommandError::Serve(error.to_string()))?;
    let public = bind("listen", config.listen).await?;
    let management = bind_management(&loaded).await?;
    let unmanaged = management.is_none().then_some(config.admin_listen);
    let described = broker.broker.describe();
    let server = Server::start(config, broker, public, management).map_err(system)?;
    print!("{}", Banner { config, broker: &described, server: &server, unmanaged });

    signals.next().await;
    tracing::info!("stopping: calls under way are finished; a second signal ends at once");
    tokio::select! {
        () = server.drain() => Ok(()),
        () = signals.next() => std::process::exit(i32::from(SECOND_SIGNAL)),
    }
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, CommandError> {
    TcpListener::bind(address).await.map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => "another program has this port".to_owned(),
            _ => error.to_string(),
        };
        let flag = setting.replace('_', "-");
        CommandError::Serve(format!("cannot listen on {address}: {reason}; name another address with --{flag}"))
    })
}

/// A port that was asked for must be free; without the default one the server runs on, and says so.
async fn bind_management(loaded: &Loaded) -> Result<Option<TcpListener>, CommandError> {
    match bind("admin_listen", loaded.config.admin_listen).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if loaded.is_set("admin_listen") => Err(error),
        Err(_) => Ok(None),
    }
}

fn system(error: io::Error) -> CommandError {
    CommandError::Serve(error.to_string())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Exit code when a second signal cut the drain short; as a shell shows SIGTERM.
const SECOND_SIGNAL: u8 = 143;
