//! `TestCertificate`: a certificate for this machine that signs itself, and clients that trust it and no other.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::wait::within;

/// Two files, gone when dropped.
#[derive(Debug)]
pub struct TestCertificate {
    folder: TempDir,
}

impl TestCertificate {
    /// Made anew, for `localhost` and `127.0.0.1`.
    ///
    /// # Panics
    /// If `openssl` is not there.
    pub fn make() -> Self {
        let certificate = Self { folder: TempDir::new().expect("a folder") };
        certificate.renew();
        certificate
    }

    /// Makes another of the same name in the same files.
    ///
    /// # Panics
    /// As [`TestCertificate::make`].
    pub fn renew(&self) {
        let made = Command::new("openssl")
            .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split(' '))
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", &self.key(), "-out", &self.file()])
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// File of the certificate.
    pub fn file(&self) -> String {
        self.path("certificate.pem").to_str().expect("a text").to_owned()
    }

    /// File of its key.
    pub fn key(&self) -> String {
        self.path("key.pem").to_str().expect("a text").to_owned()
    }

    /// The flags by which a server gets it.
    pub fn flags(&self) -> [String; 4] {
        ["--tls-certificate".to_owned(), self.file(), "--tls-key".to_owned(), self.key()]
    }

    /// The certificate as it is shown.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.file()).expect("it was made")
    }

    /// A connection to `host:port` that offers these protocols.
    ///
    /// # Panics
    /// If the server shows another certificate or does not shake hands.
    pub async fn connect(&self, address: &str, protocols: &[&str]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("versions");
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let tcp = TcpStream::connect(address).await.expect("somebody listens");
        let name = ServerName::try_from("localhost").expect("a name");
        within("the handshake", TlsConnector::from(Arc::new(config)).connect(name, tcp)).await.expect("it is trusted")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
