//! `streamgate token`, and the other commands with a token.

use e2e::program::{Program, failed, printed, process, run};
use e2e::wait::within;
use serde_json::{Value, json};

use crate::bearer::{SECRET, connect, negotiated, token};
use crate::tokens_kinds::hs256;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_looked_at_used_and_taken_back() {
    let home = Home::new("");
    let program = Program::serve(&["--memory", "--create-topics", "--config", home.settings()]).await;
    let (url, admin) = (program.url.as_str(), program.management());

    let wants = failed(&["topic", "list", "--url", url], "").await;
    assert!(wants.contains("wants a token: give one with --token or in STREAMGATE_TOKEN"), "{wants}");
    let new = [
        "token",
        "new",
        "--sub",
        "ann",
        "--read",
        "f1-*",
        "--write",
        "f1-*",
        "--scope",
        "create_topics",
        "--ttl",
        "1h",
    ];
    let made = printed(&[&new[..], &["--config", home.settings()]].concat(), "").await;
    let made = made.trim_end();
    assert_eq!(made.lines().count(), 1, "nothing but the token, for $(…)");
    assert_eq!(negotiated(&program, made).await, 200);

    let said = printed(&["token", "inspect", "-", "--config", home.settings()], made).await;
    assert!(said.contains("verified  yes: ann may do read:f1-* write:f1-* create_topics, for another "), "{said}");
    printed(&["produce", "f1-x", "--url", url, "--token", made], "one\n").await;
    let tailed = printed(&["tail", "f1-x", "--until-end", "--url", url, "--token", made], "").await;
    assert_eq!(tailed.lines().count(), 1, "{tailed}");
    let mut list = process();
    list.args(["topic", "list", "--url", url]).env("STREAMGATE_TOKEN", made);
    let listed = String::from_utf8(list.output().await.unwrap().stdout).unwrap();
    assert!(listed.contains("f1-x"), "{listed}");
    let refused = failed(&["produce", "secret", "--url", url, "--token", made], "one\n").await;
    assert!(refused.contains("it needs the scope write:secret"), "{refused}");

    let client = connect(&program, made).await;
    let arguments = ["token", "revoke", "--token", "-", "--config", home.settings(), "--admin-url", &admin];
    let revoked = printed(&arguments, made).await;
    assert!(revoked.starts_with("revoked jti ") && revoked.contains("until the server stops"), "{revoked}");
    within("the end", client.closed()).await;
    let refused = failed(&["topic", "list", "--url", url, "--token", made], "").await;
    assert!(refused.contains("refuses this token; `streamgate token inspect TOKEN` says more"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_configuration_would_say_to_a_token_is_said_as_it_is() {
    let home = Home::new("");
    let good = token("ann", "read:*");
    let json: Value =
        serde_json::from_str(&printed(&["token", "inspect", &good, "--json", "--config", home.settings()], "").await)
            .unwrap();
    assert_eq!(
        (&json["accepted"], &json["claims"]["sub"], &json["grant"]["scope"]),
        (&true.into(), &"ann".into(), &"read:*".into())
    );

    let forged = format!("{}x", &good[..good.len() - 1]);
    let refused = run(&["token", "inspect", &forged, "--config", home.settings()], "").await;
    let (out, error) = (String::from_utf8(refused.stdout).unwrap(), String::from_utf8(refused.stderr).unwrap());
    assert_eq!(refused.status.code(), Some(1));
    assert!(out.contains("\"sub\":\"ann\"") && out.contains("verified  no: the token's signature is wrong"), "{out}");
    assert_eq!(error, "error: this configuration refuses the token: the token's signature is wrong\n");

    let nobody = printed(&["token", "inspect", &good], "").await;
    assert!(nobody.contains("verified  no: the configuration asks for no tokens"), "{nobody}");
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_can_go_to_the_file_and_keys_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("revoked");
    let home = Home::new(&format!("revocations_file = \"{}\"\n", file.display()));
    let good = token("ann", "read:*");
    printed(&["token", "inspect", &good, "--config", home.settings()], "").await;
    printed(&["token", "revoke", "--sub", "ann", "--file", "--config", home.settings()], "").await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "sub ann\n");
    let refused = run(&["token", "inspect", &good, "--config", home.settings()], "").await;
    assert!(String::from_utf8(refused.stderr).unwrap().contains("the token was revoked"));

    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/access/tests/keys");
    let settings = folder.path().join("public.toml");
    let public = format!("[[auth.keys]]\nalgorithm = \"ES256\"\nid = \"e\"\nfile = \"{keys}/ec.pub.pem\"\n");
    std::fs::write(&settings, public).unwrap();
    let settings = settings.to_str().unwrap();
    let private = format!("{keys}/ec.pem");
    let new = ["token", "new", "--key", &private, "--algorithm", "ES256", "--kid", "e", "--read", "*"];
    let made = printed(&new, "").await;
    printed(&["token", "inspect", made.trim_end(), "--config", settings], "").await;
    for (arguments, said) in [
        (vec!["token", "new", "--config", settings], "has no secret to sign with"),
        (vec!["token", "new", "--key", &private, "--algorithm", "none"], "--algorithm is one of"),
        (vec!["token", "new", "--read", "a b", "--config", home.settings()], "\"read:a b\" is no scope"),
        (vec!["token", "new", "--scope", "raed:*", "--config", home.settings()], "\"raed:*\" is no scope"),
        (vec!["token", "new", "--opaque", "--sub", "a b"], "is one word"),
        (vec!["token", "revoke", "--sub", "ann", "--config", settings], "has no secret to sign in with"),
        (vec!["token", "revoke", "--sub", "ann", "--file", "--config", settings], "names no file of revocations"),
        (vec!["token", "revoke", "--sub", " bob", "--file", "--config", home.settings()], "without blanks around it"),
        (vec!["token", "revoke", "--jti", "", "--file", "--config", home.settings()], "without blanks around it"),
        (vec!["token", "revoke", "--sub", "a\nsub b", "--file", "--config", home.settings()], "a text in one line"),
    ] {
        let told = failed(&arguments, "").await;
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "sub ann\n", "what cannot be revoked is not written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_says_does_not_steer_the_terminal_of_who_looks_at_it() {
    let home = Home::new("");
    let hostile =
        hs256(&json!({ "alg": "HS256", "x\u{9b}": 1 }), &json!({ "exp": 9e9, "sub": "\u{9b}2J\u{202e}gnp\u{7f}" }));
    for form in [&[][..], &["--json"]] {
        let said = printed(&[&["token", "inspect", &hostile, "--config", home.settings()], form].concat(), "").await;
        assert!(said.chars().all(|character| character == '\n' || !character.is_control()), "{said:?}");
        assert!(said.contains(r"\u009b2J\u202egnp\u007f") && !said.contains('\u{202e}'), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_file_is_all_it_takes_and_others_are_not_to_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let with_secret = || {
        let mut process = process();
        process.env("STREAMGATE_AUTH__SECRET_FILE", &file);
        process
    };
    let mut serve = with_secret();
    serve.args(["serve", "--memory", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let program = Program::start(serve).await;
    program.logs("holds the key of `auth.secret_file` and can be read by other users: chmod 600 it").await;
    let made = with_secret().args(["token", "new", "--read", "*"]).output().await.unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    assert_eq!(negotiated(&program, made.trim_end()).await, 200);
    assert_eq!(negotiated(&program, &token("ann", "")).await, 200, "signed with the same, its line's end left out");
}

/// A settings file with the secret of the stories.
struct Home(tempfile::NamedTempFile);

impl Home {
    fn new(auth: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("[auth]\nsecret = \"{SECRET}\"\n{auth}")).unwrap();
        Self(file)
    }

    fn settings(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}
