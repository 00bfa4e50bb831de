//! TLS by rustls: certificate and key in PEM, versions 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::http::{self, ServesHttp};

/// The server's side of TLS. Cheap to clone.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// With a chain of certificates, the server's own first, and its private key, both in PEM.
    ///
    /// # Errors
    /// If one of them is not that, or they do not belong together.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> io::Result<Self> {
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| invalid("the certificate is no PEM", error))?;
        if chain.is_empty() {
            return Err(invalid("the certificate is no PEM", "it holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid("the key is no PEM", error))?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| invalid("the certificate and its key do not serve", error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config).into()))
    }

    /// Serves one TCP connection over TLS, in the version of HTTP that its client prefers.
    pub async fn serve(self, stream: TcpStream, service: impl ServesHttp) {
        let _ = stream.set_nodelay(true);
        let Ok(Ok((io, is_http2))) = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.accept(stream)).await else { return };
        http::serve_as(io, is_http2, service).await;
    }

    /// Shakes hands over one TCP connection, for as long as the client takes: what is said then, and whether it is HTTP/2.
    ///
    /// # Errors
    /// If the client speaks no TLS, or not with us.
    pub async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(impl AsyncRead + AsyncWrite + Send + Unpin + use<>, bool)> {
        let io = self.0.accept(stream).await?;
        let is_http2 = io.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((io, is_http2))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tls")
    }
}

fn invalid(what: &str, error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what}: {error}"))
}

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
