//! The program's arguments.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;

/// Hosts the hubs that clients are tested against.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Address of plain HTTP; port 0 is any free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5000")]
    pub(crate) http: SocketAddr,
    /// Address of HTTPS.
    #[arg(long, value_name = "ADDR:PORT", requires_all = ["cert", "key"])]
    https: Option<SocketAddr>,
    /// Certificates of HTTPS, the server's own first.
    #[arg(long, value_name = "PEM", requires = "https")]
    cert: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "PEM", requires = "https")]
    key: Option<PathBuf>,
    /// Folder whose files are served before anything else.
    #[arg(long = "static", value_name = "DIR")]
    pub(crate) static_files: Option<PathBuf>,
}

/// All that HTTPS takes.
#[derive(Debug)]
pub(crate) struct Https<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) cert: &'a Path,
    pub(crate) key: &'a Path,
}

impl Arguments {
    pub(crate) fn https(&self) -> Option<Https<'_>> {
        Some(Https { address: self.https?, cert: self.cert.as_deref()?, key: self.key.as_deref()? })
    }
}
