//! `[tls]`: what the public listener proves itself with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::values;

/// TLS of the hubs and the HTTP API, versions 1.2 and 1.3, with HTTP/2 and HTTP/1.1 by ALPN: on if both files are named. They
/// are read again on SIGHUP, and within a minute after they have changed; new connections get the new certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// File of the server's certificate and of those that vouch for it, in this order, in PEM. `None`, written `"off"`, is
    /// the default: no TLS. Together with `key` only.
    #[serde(with = "values::file_or_off")]
    pub certificate: Option<PathBuf>,
    /// File of the certificate's private key in PEM, without a password; nobody else should be able to read it. Default
    /// `"off"`. Together with `certificate` only.
    #[serde(with = "values::file_or_off")]
    pub key: Option<PathBuf>,
}
