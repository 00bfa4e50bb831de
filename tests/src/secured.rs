//! `SecuredKafka`: a real Kafka that asks programs who they are, over TLS, and what a portal in front of it has to know.

use std::fs;
use std::path::Path;

use crate::certificate::TestCertificate;
use crate::kafka::{Kafka, Options, Secured};
use crate::ports::lasting_ports;

/// A broker with a second listener. The server under test comes by the plain one: what it may is not what programs may.
#[derive(Debug)]
pub struct SecuredKafka {
    /// The broker.
    pub kafka: Kafka,
    certificate: TestCertificate,
    port: u16,
}

impl SecuredKafka {
    /// Starts one with these properties beside.
    ///
    /// # Panics
    /// As [`Kafka::start`].
    pub async fn start(properties: &[(&str, &str)]) -> Self {
        let certificate = TestCertificate::make();
        let pem = [certificate.key(), certificate.file()].map(|file| fs::read_to_string(file).expect("it was made"));
        let keystore = Path::new(&certificate.file()).with_file_name("keystore.pem");
        fs::write(&keystore, pem.concat()).expect("its folder is there");
        let [port] = lasting_ports();
        let secured = Secured { port, keystore, user: "programs".into(), password: PASSWORD.into() };
        let properties = properties.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let kafka = Kafka::start_with(Options { secured: Some(secured), properties }).await;
        Self { kafka, certificate, port }
    }

    /// Settings of a server that tells programs to come with a password by this mechanism.
    pub fn portal(&self, mechanism: &str) -> String {
        let (port, ca) = (self.port, self.certificate.file());
        format!(
            "[portal]\nkafka_address = \"localhost:{port}\"\nsecurity = \"sasl_ssl\"\nsasl_mechanism = \"{mechanism}\"\n\
             username = \"programs\"\npassword = \"{PASSWORD}\"\nca_file = \"{ca}\""
        )
    }
}

/// What the user `programs` proves itself by.
pub const PASSWORD: &str = "hush-4-programs";
