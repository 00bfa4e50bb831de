//! Which tokens do on the running server: algorithms, keys and their ids, opaque ones, and keys from a key set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use access::{Algorithm, Signer, TokenRequest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::program::{Program, failed, printed};
use e2e::wait::{until, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::bearer::{SECRET, connect, ending_in, get, guarded, negotiate, negotiated, request, token};
use crate::support::status;

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_stale_tokens_do_not_do() {
    let program = guarded("").await;
    let (head, claims) = (json!({ "alg": "HS256" }), json!({ "exp": 9_999_999_999_u64, "scope": "read:*" }));
    assert_eq!(
        negotiated(&program, &hs256(&head, &claims)).await,
        200,
        "what the others differ from by one thing each"
    );
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims));
    let other = Signer::new(Algorithm::Hs256, b"another secret, long enough as well").unwrap();
    let foreign = other.sign(&request("ann", "read:*", Duration::from_secs(60)), SystemTime::now()).unwrap();
    let good = token("ann", "read:*");
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let tampered = payload.replace(&payload[10..11], if &payload[10..11] == "A" { "B" } else { "A" });
    let future = hs256(&head, &json!({ "exp": 9_999_999_999_u64, "nbf": 9_999_999_990_u64 }));
    for (what, token) in [
        ("alg none", unsigned.clone()),
        ("alg None", format!("{}.{}.", part(&json!({ "alg": "None" })), part(&claims))),
        ("alg none with a signature", format!("{unsigned}{signature}")),
        ("another secret", foreign),
        ("no signature", format!("{header}.{payload}.")),
        ("changed claims", format!("{header}.{tampered}.{signature}")),
        ("two parts", format!("{header}.{payload}")),
        ("expired", ending_in("ann", "read:*", Duration::ZERO)),
        ("not yet", future),
        ("no exp", hs256(&head, &json!({ "scope": "read:*" }))),
        ("exp as text", hs256(&head, &json!({ "exp": "9999999999" }))),
        ("critical extension", hs256(&json!({ "alg": "HS256", "crit": ["exp"] }), &claims)),
        ("an algorithm without a key", hs256(&json!({ "alg": "HS512" }), &claims)),
        ("too long", hs256(&head, &json!({ "exp": 9_999_999_999_u64, "x": "x".repeat(8 * 1024) }))),
    ] {
        assert_eq!(negotiated(&program, &token).await, 401, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_names_its_key_by_id_and_meets_what_the_key_asks_for() {
    let settings = format!(
        "memory = true\n[[auth.keys]]\nalgorithm = \"HS256\"\nid = \"one\"\nsecret = \"{SECRET}\"\n\
         [[auth.keys]]\nalgorithm = \"HS256\"\nid = \"two\"\nsecret = \"the secret of the other key, long enough\"\n\
         issuer = \"https://login.example.com\"\naudience = \"streamgate\"\n"
    );
    let program = Program::serve_with_settings(&settings, &[]).await;
    let sign = |id: Option<&str>, secret: &str, issuer: Option<&str>, audience: Option<&str>| {
        let mut signer = Signer::new(Algorithm::Hs256, secret.as_bytes()).unwrap();
        signer.key_id = id.map(str::to_owned);
        let (issuer, audience) = (issuer.map(str::to_owned), audience.map(str::to_owned));
        let request = TokenRequest { issuer, audience, ..request("ann", "read:*", Duration::from_secs(60)) };
        signer.sign(&request, SystemTime::now()).unwrap()
    };
    let (other, login) = ("the secret of the other key, long enough", Some("https://login.example.com"));
    for (token, expected) in [
        (sign(Some("one"), SECRET, None, None), 200),
        (sign(None, SECRET, None, None), 200),
        (sign(Some("two"), SECRET, None, None), 401),
        (sign(Some("three"), SECRET, None, None), 401),
        (sign(Some("two"), other, login, Some("streamgate")), 200),
        (sign(None, other, login, Some("streamgate")), 200),
        (sign(Some("two"), other, None, Some("streamgate")), 401),
        (sign(Some("two"), other, login, Some("others")), 401),
        (sign(Some("two"), other, login, None), 401),
    ] {
        assert_eq!(negotiated(&program, &token).await, expected, "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_count_as_long_as_they_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let arguments = ["token", "new", "--opaque", "--json", "--sub", "device-7", "--read", "f1-*", "--ttl", "1h"];
    let made: Value = serde_json::from_str(&printed(&arguments, "").await).unwrap();
    let (token, line) = (made["token"].as_str().unwrap(), made["line"].as_str().unwrap());
    assert!(token.starts_with("sg_") && !line.contains(token), "{made}");
    std::fs::write(&file, format!("# devices\n{line}\n")).unwrap();
    let settings = format!("memory = true\ncreate_topics = true\n[auth]\ntokens_file = \"{}\"\n", file.display());
    let program = Program::serve_with_settings(&settings, &[]).await;
    let client = connect(&program, token).await;
    assert_eq!(get(&format!("{}/topics/secret/packages?until_end=true", program.url), token).await.status(), 403);
    assert_eq!(get(&format!("{}/topics/f1-x/packages?until_end=true", program.url), token).await.status(), 404);
    assert_eq!(negotiated(&program, "sg_another").await, 401);

    // A list with a mistake changes nothing, and is told.
    std::fs::write(&file, "what is this\n").unwrap();
    program.hang_up();
    program.logs("the list in use stays").await;
    assert_eq!(negotiated(&program, token).await, 200);
    // Fewer rights are not for new connections only.
    let narrower = connect(&program, token).await;
    std::fs::write(&file, format!("{}\n", line.replace("read:f1-*", "read:f1-a"))).unwrap();
    program.hang_up();
    let closed = within("its end", narrower.closed()).await;
    assert!(closed.to_string().contains("Access was revoked."), "{closed:?}");
    std::fs::write(&file, "# nobody any more\n").unwrap();
    program.hang_up();
    until("it is not known any more", async || negotiated(&program, token).await == 401).await;
    let closed = client.closed().await;
    assert!(closed.to_string().contains("Access was revoked.") && !closed.allow_reconnect, "{closed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_from_the_configured_key_set_in_the_background() {
    let provider = Provider::start().await;
    let settings = format!(
        "memory = true\n[auth]\njwks_url = \"{}\"\njwks_allow_private = true\njwks_issuer = \"login\"\njwks_refresh = \"1s\"\n",
        provider.url
    );
    let program = Program::serve_with_settings(&settings, &[]).await;
    let sign = |issuer: &str| {
        let mut signer =
            Signer::new(Algorithm::EdDsa, include_bytes!("../../../crates/access/tests/keys/ed.pem")).unwrap();
        signer.key_id = Some("k1".to_owned());
        let request = request("ann", "read:*", Duration::from_secs(60));
        signer.sign(&TokenRequest { issuer: Some(issuer.to_owned()), ..request }, SystemTime::now()).unwrap()
    };
    let token = sign("login");
    let ready = format!("{}/health/ready", program.url);
    assert_eq!(told(&ready).await, (503, "not ready\n".to_owned()), "nobody can be let in yet");
    let why = (503, "not ready: keys of auth.jwks_url not fetched yet\n".to_owned());
    assert_eq!(told(&format!("{}/health/ready", program.management())).await, why);
    // Nobody knows yet whether it is good, and a client that was told 401 would give up.
    let answer = negotiate(&program, &token).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(answer.status(), 503);
    assert_eq!(negotiated(&program, &hs256(&json!({ "alg": "HS256" }), &json!({ "exp": 1e10 }))).await, 401);
    assert_eq!(negotiated(&program, "no token").await, 401);
    program.logs("auth.jwks_audience is not set").await;
    program.logs("those in use stay").await;

    provider.is_up.store(true, Ordering::Relaxed);
    until("the keys are there", async || negotiated(&program, &token).await == 200).await;
    assert_eq!(status(&ready).await, Some(200));
    assert_eq!(negotiated(&program, &sign("another")).await, 401);
    let own = Signer::new(Algorithm::Hs256, SECRET.as_bytes()).unwrap();
    let own = own.sign(&request("ann", "read:*", Duration::from_secs(60)), SystemTime::now()).unwrap();
    assert_eq!(negotiated(&program, &own).await, 401);
    provider.is_up.store(false, Ordering::Relaxed);
    assert_eq!(negotiated(&program, &token).await, 200, "what was fetched stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_files_that_cannot_be_used_end_the_start_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let settings = tempfile::NamedTempFile::new().unwrap();
    let list = folder.path().join("list");
    std::fs::write(&list, "abc read:*\n").unwrap();
    let (list, keys) = (list.display(), concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/access/tests/keys"));
    for (auth, said) in [
        (
            "[auth]\nsecret = \"short\"".to_owned(),
            "`auth.secret` (",
            "at least 32 bytes, this one has 5; `openssl rand -base64 32` makes one",
        ),
        (
            "[[auth.keys]]\nalgorithm = \"HS256\"\nfile = \"/nowhere\"".to_owned(),
            "number 1 the file /nowhere",
            "cannot be read",
        ),
        (
            "[[auth.keys]]\nalgorithm = \"HS256\"\nenvironment = \"NOT_SET\"".to_owned(),
            "the environment variable NOT_SET",
            "is not set",
        ),
        (
            format!("[[auth.keys]]\nalgorithm = \"RS256\"\nfile = \"{keys}/rsa-1024.pub.pem\""),
            "number 1 a key",
            "at least 2048 bits",
        ),
        (
            format!("[[auth.keys]]\nalgorithm = \"ES256\"\nfile = \"{keys}/rsa.pub.pem\""),
            "no ES256 key",
            "name the public key in PEM",
        ),
        (format!("[auth]\ntokens_file = \"{list}\""), "`auth.tokens_file` (", "line 1: not a SHA-256"),
        (
            format!("[auth]\nsecret = \"{SECRET}\"\nrevocations_file = \"{}\"", folder.path().display()),
            "`auth.revocations_file` (",
            "which cannot be used: Is a directory",
        ),
        ("[auth]\ntokens_file = \"/nowhere\"".to_owned(), "`auth.tokens_file` (", "/nowhere, which cannot be used"),
    ]
    .map(|(auth, one, two)| (auth, [one, two]))
    {
        std::fs::write(settings.path(), &auth).unwrap();
        for command in ["serve", "config"] {
            let arguments = if command == "serve" { vec!["serve"] } else { vec!["config", "check"] };
            let told = failed(&[&arguments[..], &["--config", settings.path().to_str().unwrap()]].concat(), "").await;
            assert!(said.iter().all(|part| told.contains(part)), "{auth}: {told}");
        }
    }
}

async fn told(url: &str) -> (u16, String) {
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A token with this very header and these claims, signed with the secret of the stories.
pub fn hs256(header: &Value, claims: &Value) -> String {
    let text = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = jsonwebtoken::crypto::sign(
        text.as_bytes(),
        &jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes()),
        jsonwebtoken::Algorithm::HS256,
    );
    format!("{text}.{}", signature.unwrap())
}

/// Somebody who publishes keys, once they are up.
struct Provider {
    url: String,
    is_up: Arc<AtomicBool>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let is_up = Arc::<AtomicBool>::default();
        let up = is_up.clone();
        let public = "BFvgGM6sfYkuD6ADuygYZBRWK2PB6wCKZ32yJulQGNw"; // of ed.pem
        let body =
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "x": public }] }).to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0)
                {
                }
                let status = if up.load(Ordering::Relaxed) { "200 OK" } else { "503 Not Yet" };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self { url, is_up }
    }
}
