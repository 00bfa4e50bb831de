//! Who may reach the server, and by what.

use super::*;

#[test]
fn with_authentication_or_by_name_without_it_any_address_is_served() {
    let everywhere = &["--listen", "0.0.0.0:80", "--admin-listen", "[::]:9090"];
    for file in [
        "auth.secret = \"hunter2\"",
        "auth.secret_file = \"s\"",
        "auth.tokens_file = \"t\"",
        "auth.jwks_url = \"https://a.example/keys\"",
        "[[auth.keys]]\nalgorithm = \"RS256\"\nfile = \"key.pem\"",
    ] {
        let config = Setup { file, flags: everywhere, ..Setup::default() }.load().unwrap().config;
        assert!(config.auth.is_on(), "{file}");
        assert_eq!(config.origins(), [AllowedOrigin::Any], "pages carry their tokens themselves");
    }
    let narrowed = "allowed_origins = [\"https://a.example\"]\nauth.secret = \"hunter2\"";
    let config = Setup { file: narrowed, ..Setup::default() }.load().unwrap().config;
    assert_eq!(config.origins(), [AllowedOrigin::Exact("https://a.example".to_owned())]);
    let flags = &[everywhere.as_slice(), &["--insecure-no-auth"]].concat();
    let config = Setup { flags, ..Setup::default() }.load().unwrap().config;
    assert!(!config.auth.is_on() && config.auth.insecure_no_auth);
    assert_eq!(config.origins(), [AllowedOrigin::Loopback]);
}

#[test]
fn keys_are_read_and_their_secrets_never_shown() {
    let file = "auth.secret = \"hunter2\"\n[[auth.keys]]\nalgorithm = \"HS256\"\nid = \"a\"\nsecret = \"hunter2\"\nissuer = \"i\"\n\
                [[auth.keys]]\nalgorithm = \"EdDSA\"\nfile = \"k.pem\"\n[[auth.keys]]\nalgorithm = \"HS256\"\nenvironment = \"V\"";
    let loaded = Setup { file, ..Setup::default() }.load().unwrap();
    let keys = &loaded.config.auth.keys;
    assert_eq!(keys[0].material, KeyMaterial::Secret("hunter2".to_owned().into()));
    assert_eq!((keys[0].id.as_deref(), keys[0].issuer.as_deref()), (Some("a"), Some("i")));
    assert_eq!((keys[1].algorithm, &keys[1].material), (access::Algorithm::EdDsa, &KeyMaterial::File("k.pem".into())));
    assert_eq!(keys[2].material, KeyMaterial::Environment("V".to_owned()));
    let shown = show(&loaded, true) + &format!("{loaded:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("secret = \"***\"") && shown.contains("k.pem"), "{shown}");
    let environment = &[("STREAMGATE_AUTH__SECRET", "hunter2"), ("STREAMGATE_TOKEN", "t")];
    let loaded = Setup { environment, ..Setup::default() }.load().unwrap();
    assert_eq!(loaded.config.auth.secret, Some("hunter2".to_owned().into()));
}

#[test]
fn where_loopback_is_a_proxys_it_is_bounded_as_any_other_address() {
    let limits = Limits { negotiated_per_address: Some(0), ..Limits::default() };
    let (bounded, loopback) = (limits.with_loopback_bounded(), "127.0.0.1".parse().unwrap());
    assert_eq!((limits.auth_failures_of(loopback), limits.connections_of(loopback)), (None, None));
    assert_eq!((bounded.auth_failures_of(loopback), bounded.connections_of(loopback)), (Some(60), Some(2000)));
    assert_eq!(bounded.negotiated_of(loopback), None, "switched off is switched off");
}
