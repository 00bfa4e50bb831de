//! TLS at the public port: clients of all kinds, what stops the start, and a certificate that is renewed while it runs.

use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use e2e::certificate::TestCertificate;
use e2e::http2::Http2;
use e2e::node::{CLIENTS, Script};
use e2e::program::{Program, failed, printed, process};
use e2e::wait::{until, within};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::http2::{everything, stop};
use crate::support::metric;

async fn serve(certificate: &TestCertificate, more: &[&str]) -> Program {
    let flags = certificate.flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).chain(["--memory"]).chain(more.iter().copied()).collect();
    Program::serve(&flags).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_reads_and_writes_by_every_transport() {
    let certificate = TestCertificate::make();
    let program = serve(&certificate, &[]).await;
    assert!(program.url.starts_with("https://127.0.0.1:"), "{}", program.banner);
    assert!(program.banner.contains(&format!("--url {}", program.url)), "{}", program.banner);
    for client in CLIENTS {
        let offers = ["--expect-offers", "WebSockets,ServerSentEvents,LongPolling", "--client", client];
        Script::start_trusting(Some(&certificate.file()), "transports.mjs", &program.url, &offers).to_end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_draws_over_it() {
    let program = serve(&TestCertificate::make(), &[]).await;
    Script::start("browser.mjs", &program.url, &["--self-signed"]).to_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_are_agreed_on_by_alpn() {
    let certificate = TestCertificate::make();
    let program = serve(&certificate, &[]).await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let io = certificate.connect(program.address(), offered).await;
        assert_eq!(io.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
        if agreed == Some(b"h2") {
            everything(Http2::over(io, program.address()).await).await;
        } else {
            let (answer, _) = live(io).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_connections_as_politely_as_without_it() {
    let certificate = TestCertificate::make();
    let program = serve(&certificate, &[]).await;
    stop(program, async |program: &Program| {
        Http2::over(certificate.connect(program.address(), &["h2"]).await, program.address()).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_speak_it_to_whom_they_trust() {
    let certificate = TestCertificate::make();
    let program = serve(&certificate, &[]).await;
    let run = async |arguments: &[&str], trusted: Option<&str>| -> Output {
        let mut command = process();
        command.args(arguments).args(["--url", &program.url]).stdin(Stdio::null());
        command.envs(trusted.map(|file| ("SSL_CERT_FILE", file))).kill_on_drop(true);
        within("the command", command.output()).await.unwrap()
    };
    let trusted = certificate.file();
    let made = run(&["topic", "create", "t"], Some(&trusted)).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let listed = run(&["topic", "list"], Some(&trusted)).await;
    assert!(String::from_utf8_lossy(&listed.stdout).contains("local-t"), "{listed:?}");
    let stranger = TestCertificate::make().file();
    let refused = run(&["topic", "list"], Some(&stranger)).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("certificate"), "{refused:?}");
    // Where there are no certificates at all, plain HTTP works as ever.
    let plain = Program::serve(&["--memory"]).await;
    let listed = process().args(["topic", "list", "--url", &plain.url]).env("SSL_CERT_FILE", "/nowhere").output().await;
    assert!(listed.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_files_is_one_sentence_that_names_them() {
    let (good, other) = (TestCertificate::make(), TestCertificate::make());
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.pem").to_str().unwrap().to_owned();
    std::fs::write(&text, "no PEM\n").unwrap();
    let (file, key) = (good.file(), good.key());
    for file in [&text, &file] {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    for (arguments, said) in [
        (vec!["--tls-certificate", &file], vec!["`tls.key` (default)", "name it with --tls-key"]),
        (vec!["--tls-key", &key], vec!["`tls.certificate` (default)", "name it with --tls-certificate"]),
        (
            vec!["--tls-certificate", "/nowhere.pem", "--tls-key", &key],
            vec!["`tls.certificate` (flag --tls-certificate) is /nowhere.pem, which cannot be read: No such file"],
        ),
        (
            vec!["--tls-certificate", &file, "--tls-key", "/nowhere.pem"],
            vec!["`tls.key` (flag --tls-key) is /nowhere.pem, which cannot be read: No such file"],
        ),
        (
            vec!["--tls-certificate", &text, "--tls-key", &key],
            vec!["`tls.certificate`", &text, "the certificate is no PEM"],
        ),
        (vec!["--tls-certificate", &key, "--tls-key", &key], vec!["`tls.certificate`", "it holds no certificate"]),
        (vec!["--tls-certificate", &file, "--tls-key", &text], vec!["`tls.key`", &text, "the key is no PEM"]),
        (vec!["--tls-certificate", &file, "--tls-key", &file], vec!["`tls.key`", "the key is no PEM"]),
        (
            vec!["--tls-certificate", &file, "--tls-key", other.key().leak()],
            vec!["`tls.certificate` (flag --tls-certificate) and `tls.key` (flag --tls-key) are", "do not serve"],
        ),
    ] {
        for command in [&["serve"][..], &["config", "check"]] {
            let refusal = failed(&[command, &arguments].concat(), "").await;
            assert!(said.iter().all(|said| refusal.contains(said)), "{arguments:?}: {refusal}");
        }
    }
    let flags = good.flags();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let checked = printed(&[&["config", "check"][..], &flags].concat(), "").await;
    assert!(checked.contains("the configuration is good"), "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_can_read_is_warned_of() {
    let certificate = TestCertificate::make();
    for (mode, is_warned) in [(0o600, false), (0o644, true)] {
        std::fs::set_permissions(certificate.key(), std::fs::Permissions::from_mode(mode)).unwrap();
        let program = serve(&certificate, &[]).await;
        // The first line of the log that every start has comes after it.
        program.terminate();
        program.logs("stopping").await;
        assert_eq!(program.log().contains("chmod 600"), is_warned, "{}", program.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    let certificate = TestCertificate::make();
    let program = serve(&certificate, &[]).await;
    let first = certificate.der();
    let shown = async || {
        let io = certificate.connect(program.address(), &[]).await;
        io.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let old = certificate.connect(program.address(), &[]).await;
    let mut websocket =
        Http2::over(certificate.connect(program.address(), &["h2"]).await, program.address()).await.hub("/hub").await;
    assert_eq!(shown().await, first);

    // Half a renewal, as any that is looked at too early.
    let (file, key) = (std::fs::read(certificate.file()).unwrap(), std::fs::read(certificate.key()).unwrap());
    certificate.renew();
    let second = certificate.der();
    std::fs::write(certificate.key(), &key).unwrap();
    program.hang_up();
    program.logs("the certificate in use stays").await;
    assert!(program.log().contains(&certificate.key()) && program.log().contains("`tls.key`"), "{}", program.log());
    std::fs::write(certificate.file(), &file).unwrap();
    assert_eq!(shown().await, first);

    certificate.renew();
    let third = certificate.der();
    assert!(first != second && second != third);
    program.hang_up();
    program.logs("new connections get the certificate").await;
    until("the new one is shown", async || shown().await == third).await;
    let (answer, _) = live(old).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(websocket.invoke("SubscribeToPackages", serde_json::json!(["t"])).await["error"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_shake_hands_is_closed_in_time_and_nobody_else() {
    let certificate = TestCertificate::make();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("streamgate.toml");
    std::fs::write(&settings, "[limits]\ntls_handshake_timeout = \"300ms\"\nhead_timeout = \"300ms\"\n").unwrap();
    let program = serve(&certificate, &["--config", settings.to_str().unwrap()]).await;
    let silent = TcpStream::connect(program.address()).await.unwrap();
    let mut half = TcpStream::connect(program.address()).await.unwrap();
    half.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03").await.unwrap();
    let agreed = certificate.connect(program.address(), &["h2"]).await;
    closed(silent).await;
    closed(half).await;
    // Agreed on HTTP/2, and then nothing.
    closed(agreed).await;
    let hits = "streamgate_limit_hits_total{limit=\"tls_handshake_timeout\"}";
    assert_eq!(metric(&program.management(), hits).await, 2.0);
    let mut plain = TcpStream::connect(program.address()).await.unwrap();
    plain.write_all(b"GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    closed(plain).await;
    let (answer, _) = live(certificate.connect(program.address(), &[]).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

async fn closed(mut io: impl tokio::io::AsyncRead + Unpin) {
    let mut rest = Vec::new();
    let _ = within("it is closed", io.read_to_end(&mut rest)).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
}

/// Asks by HTTP/1.1 whether the server lives.
async fn live(mut io: TlsStream<TcpStream>) -> (String, TlsStream<TcpStream>) {
    io.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    within("an answer", async { while !answer.ends_with(b"live\n") && io.read_buf(&mut answer).await.unwrap() > 0 {} })
        .await;
    (String::from_utf8(answer).unwrap(), io)
}
