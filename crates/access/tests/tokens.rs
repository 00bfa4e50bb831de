//! What becomes of each kind of token, forged ones included.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::{
    Access, Algorithm, Digest, Key, LEEWAY, MAX_TOKEN_BYTES, OpaqueToken, Refused, Revocations, Revoked, Right, Scopes,
    Signer, TokenRequest, keys_of_set, opaque_token,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

/// 2023-11-14T22:13:20Z.
const NOW: u64 = 1_700_000_000;
const SECRET: &[u8] = b"thirty-two bytes are the least!!";
const OTHER_SECRET: &[u8] = b"and these thirty-two are others!";

#[test]
fn a_signed_token_grants_what_it_says_until_it_ends() {
    for algorithm in Algorithm::ALL {
        let access = Access { keys: vec![Key::new(algorithm, public(algorithm)).unwrap()], ..Access::default() };
        let request = TokenRequest {
            subject: Some("ann".into()),
            scope: "read:f1-* create_topics".into(),
            token_id: Some("4711".into()),
            ..TokenRequest::lasting(Duration::from_secs(3600))
        };
        let token = Signer::new(algorithm, private(algorithm)).unwrap().sign(&request, now()).unwrap();
        let grant = access.check(&token, now()).unwrap();
        assert_eq!((grant.subject.as_deref(), grant.token_id.as_deref()), (Some("ann"), Some("4711")));
        assert!(grant.scopes.allow(Right::Read, "f1-data") && !grant.scopes.allow(Right::Write, "f1-data"));
        assert!(grant.scopes.create_topics && !grant.scopes.admin && !grant.scopes.kafka);

        let end = at(NOW + 3600) + LEEWAY;
        assert_eq!(grant.expires, Some(end));
        assert!(access.check(&token, end - Duration::from_millis(1)).is_ok());
        assert_eq!(access.check(&token, end), Err(Refused::Expired), "{}", algorithm.name());
    }
}

#[test]
fn claims_are_read_strictly() {
    let rows: [(Value, Result<(), Refused>); 24] = [
        (json!({"exp": NOW}), Ok(())), // within the leeway
        (json!({"exp": NOW as f64 + 0.5}), Ok(())),
        (json!({"exp": 1e300}), Ok(())),
        (json!({"exp": NOW - 30}), Err(Refused::Expired)),
        (json!({"exp": 0}), Err(Refused::Expired)),
        (json!({"exp": -1e300}), Err(Refused::Expired)),
        (json!({}), Err(Refused::Malformed)),
        (json!({"exp": null}), Err(Refused::Malformed)),
        (json!({"exp": "1900000000"}), Err(Refused::Malformed)),
        (json!({"exp": [NOW]}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "nbf": NOW + 30}), Ok(())),
        (json!({"exp": NOW + 99, "nbf": NOW + 31}), Err(Refused::NotYet)),
        (json!({"exp": NOW, "nbf": "1"}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "nbf": null}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "iat": NOW + 1_000_000}), Ok(())),
        (json!({"exp": NOW, "iat": "now"}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "sub": 7}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "sub": null}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "jti": 7}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "scope": ["read:*"]}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "scp": "read:*"}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "scp": ["read:*", 7]}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "aud": 7}), Err(Refused::Malformed)),
        (json!({"exp": NOW, "unknown": {"a": 1}}), Ok(())),
    ];
    let access = hs256();
    for (claims, expected) in rows {
        let token = signed(SECRET, &Header::default(), &claims);
        assert_eq!(access.check(&token, now()).map(|_| ()), expected, "{claims}");
    }
    for text in [r#"{"exp":1,"exp":1900000000}"#, r#"{"exp":1900000000}x"#, "[]", "null", "", "\u{0}"] {
        let token = signed_text(SECRET, r#"{"alg":"HS256"}"#, text);
        assert_eq!(access.check(&token, now()), Err(Refused::Malformed), "{text}");
    }
}

#[test]
fn scopes_come_from_either_claim_or_from_the_default() {
    let access = Access { default_scopes: Scopes::parse("read:open-*"), ..hs256() };
    let rows = [
        (json!({"exp": NOW}), "read:open-*"),
        (json!({"exp": NOW, "scope": ""}), ""),
        (json!({"exp": NOW, "scp": []}), ""),
        (json!({"exp": NOW, "scope": "openid write:a  read:b"}), "write:a read:b"),
        (json!({"exp": NOW, "scp": ["write:a", "read:b", "read:two words"]}), "write:a read:b"),
        (json!({"exp": NOW, "scope": "write:a", "scp": ["read:b"]}), "write:a read:b"),
    ];
    for (claims, scopes) in rows {
        let granted = access.check(&signed(SECRET, &Header::default(), &claims), now()).unwrap().scopes;
        for topic in ["a", "b", "open-x", "two", "words"] {
            for right in [Right::Read, Right::Write] {
                let wanted = Scopes::parse(scopes).allow(right, topic);
                assert_eq!(granted.allow(right, topic), wanted, "{claims} {right:?} {topic}");
            }
        }
    }
}

#[test]
fn forged_tokens_are_refused() {
    let claims = json!({"exp": NOW + 60, "scope": "admin"}).to_string();
    let rsa = Access { keys: vec![Key::new(Algorithm::Rs256, public(Algorithm::Rs256)).unwrap()], ..Access::default() };
    let public = public(Algorithm::Rs256);
    let good = signed_text(SECRET, r#"{"alg":"HS256"}"#, &claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other_signature = format!("{message}.{}{}", &signature[..1], if &signature[1..2] == "A" { "B" } else { "A" });
    let rows = [
        // Who signs nothing.
        (hs256(), unsigned(r#"{"alg":"none"}"#, &claims), Refused::Malformed),
        (hs256(), unsigned(r#"{"alg":"None"}"#, &claims), Refused::Malformed),
        (hs256(), unsigned(r#"{"alg":""}"#, &claims), Refused::Malformed),
        (hs256(), unsigned(r#"{"typ":"JWT"}"#, &claims), Refused::Malformed),
        (hs256(), unsigned(r#"{"alg":"HS256"}"#, &claims), Refused::Signature),
        (hs256(), other_signature, Refused::Signature),
        (hs256(), format!("{message}.%%%"), Refused::Signature),
        // Who signs with what everybody knows: the public key as the secret of an HMAC.
        (rsa.clone(), signed_text(public, r#"{"alg":"HS256"}"#, &claims), Refused::NoKey),
        (rsa.clone(), signed_text(public, r#"{"alg":"RS256"}"#, &claims), Refused::Signature),
        // Algorithms that no key has.
        (hs256(), signed_text(SECRET, r#"{"alg":"HS384"}"#, &claims), Refused::NoKey),
        (hs256(), signed_text(SECRET, r#"{"alg":"HS512"}"#, &claims), Refused::NoKey),
        (hs256(), signed_text(SECRET, r#"{"alg":"ES256"}"#, &claims), Refused::NoKey),
        // Who brings a key along, or tells where there is one.
        (
            hs256(),
            signed_text(OTHER_SECRET, r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#, &claims),
            Refused::Signature,
        ),
        (
            hs256(),
            signed_text(OTHER_SECRET, r#"{"alg":"HS256","x5u":"https://evil.example/keys"}"#, &claims),
            Refused::Signature,
        ),
        (hs256(), signed_text(OTHER_SECRET, &own_key(), &claims), Refused::Signature),
        // What must be understood, and is not.
        (hs256(), signed_text(SECRET, r#"{"alg":"HS256","crit":["exp"]}"#, &claims), Refused::Malformed),
        (hs256(), signed_text(SECRET, r#"{"alg":"HS256","crit":[]}"#, &claims), Refused::Malformed),
        (hs256(), signed_text(SECRET, r#"{"alg":"HS256","kid":7}"#, &claims), Refused::Malformed),
        // No tokens at all.
        (hs256(), String::new(), Refused::Unknown),
        (hs256(), "a.b".into(), Refused::Unknown),
        (hs256(), "a.b.c.d".into(), Refused::Unknown),
        (hs256(), "..".into(), Refused::Malformed),
        (hs256(), format!("{good}."), Refused::Unknown),
        (Access::default(), good.clone(), Refused::NoKey),
    ];
    for (access, token, refused) in rows {
        assert_eq!(access.check(&token, now()), Err(refused), "{token}");
    }
    assert!(hs256().check(&good, now()).is_ok(), "the one that all are made of");
}

/// A header that brings the key that has signed.
fn own_key() -> String {
    json!({"alg": "HS256", "jwk": {"kty": "oct", "k": URL_SAFE_NO_PAD.encode(OTHER_SECRET)}}).to_string()
}

#[test]
fn a_key_is_found_by_its_id_issuer_and_audience() {
    let key = |secret, id: Option<&str>| {
        let mut key = Key::new(Algorithm::Hs256, secret).unwrap();
        key.id = id.map(str::to_owned);
        key
    };
    let named = Access { keys: vec![key(SECRET, Some("a")), key(OTHER_SECRET, Some("b"))], ..Access::default() };
    let claims = json!({"exp": NOW});
    let token = |secret, kid: Option<&str>| {
        signed(secret, &Header { kid: kid.map(str::to_owned), ..Header::default() }, &claims)
    };
    assert!(named.check(&token(SECRET, Some("a")), now()).is_ok());
    assert!(named.check(&token(OTHER_SECRET, None), now()).is_ok(), "each is tried");
    assert_eq!(named.check(&token(OTHER_SECRET, Some("a")), now()), Err(Refused::Signature));
    assert_eq!(named.check(&token(SECRET, Some("c")), now()), Err(Refused::NoKey));
    let unnamed = Access { keys: vec![key(SECRET, None)], ..Access::default() };
    assert!(unnamed.check(&token(SECRET, Some("c")), now()).is_ok());

    let many: Vec<Key> = (0..8).map(|_| key(OTHER_SECRET, None)).chain([key(SECRET, None)]).collect();
    let eight = Access { keys: many[1..].to_vec(), ..Access::default() };
    assert!(eight.check(&token(SECRET, None), now()).is_ok());
    assert_eq!(Access { keys: many, ..Access::default() }.check(&token(SECRET, None), now()), Err(Refused::Signature));

    let mut ours = key(SECRET, None);
    (ours.issuer, ours.audience) = (Some("us".into()), Some("streamgate".into()));
    let access = Access { keys: vec![ours, key(OTHER_SECRET, None)], ..Access::default() };
    let rows = [
        (json!({"exp": NOW, "iss": "us", "aud": "streamgate"}), Ok(())),
        (json!({"exp": NOW, "iss": "us", "aud": ["other", "streamgate"]}), Ok(())),
        (json!({"exp": NOW, "iss": "us"}), Err(Refused::NotForUs)),
        (json!({"exp": NOW, "iss": "us", "aud": []}), Err(Refused::NotForUs)),
        (json!({"exp": NOW, "iss": "us", "aud": "Streamgate"}), Err(Refused::NotForUs)),
        (json!({"exp": NOW, "aud": "streamgate"}), Err(Refused::NotForUs)),
        (json!({"exp": NOW, "iss": "them", "aud": "streamgate"}), Err(Refused::NotForUs)),
    ];
    for (claims, expected) in rows {
        let checked = access.check(&signed(SECRET, &Header::default(), &claims), now()).map(|_| ());
        // The other key, tried next, has not signed it.
        let expected = expected.map_err(|_| Refused::Signature);
        assert_eq!(checked, expected, "{claims}");
        assert!(access.check(&signed(OTHER_SECRET, &Header::default(), &claims), now()).is_ok());
    }
}

#[test]
fn long_tokens_are_not_looked_at() {
    let token = |padding: usize| signed(SECRET, &Header::default(), &json!({"exp": NOW, "pad": "x".repeat(padding)}));
    let (mut fits, mut padding) = (token(0), 0);
    while token(padding + 1).len() <= MAX_TOKEN_BYTES {
        padding += 1;
        fits = token(padding);
    }
    assert!(fits.len() > MAX_TOKEN_BYTES - 3 && hs256().check(&fits, now()).is_ok());
    assert_eq!(hs256().check(&token(padding + 1), now()), Err(Refused::TooLong));
}

#[test]
fn weak_and_wrong_keys_are_none() {
    let rows = [
        (Algorithm::Hs256, &SECRET[1..], "a secret for HS256 has at least 32 bytes, this one has 31"),
        (
            Algorithm::Rs256,
            include_bytes!("keys/rsa-1024.pub.pem"),
            "an RSA key has at least 2048 bits, this one has 1024",
        ),
        (Algorithm::Es256, include_bytes!("keys/ec-p384.pub.pem"), "ES256 is for keys on the curve P-256"),
    ];
    for (algorithm, material, text) in rows {
        assert_eq!(Key::new(algorithm, material).unwrap_err().to_string(), text);
    }
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let error = Key::new(algorithm, public(other)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("no {} key: ", algorithm.name())), "{error}");
        }
        assert!(Signer::new(algorithm, b"no key").is_err());
    }
}

#[test]
fn a_key_set_gives_its_public_keys_for_signatures() {
    let rsa = jwk(Algorithm::Rs256);
    let with = |members: Value| {
        let mut jwk = rsa.clone();
        jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        jwk
    };
    let set = json!({"keys": [
        with(json!({"kid": "r1", "use": "sig", "alg": "RS256"})),
        with(json!({"kid": "for encryption", "use": "enc"})),
        with(json!({"kid": "another algorithm", "alg": "RS512"})),
        with(json!({"kid": "short", "n": "AQAB"})),
        {"kid": "a secret", "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)},
        {"kid": "of a kind unknown", "kty": "PQC"},
        {"not": "a key"},
        jwk(Algorithm::Es256),
        jwk(Algorithm::EdDsa),
    ]});
    let keys = keys_of_set(&set.to_string()).unwrap();
    let found: Vec<_> = keys.iter().map(|key| (key.id.as_deref(), key.algorithm())).collect();
    assert_eq!(found, [(Some("r1"), Algorithm::Rs256), (None, Algorithm::Es256), (None, Algorithm::EdDsa)]);

    let access = Access { keys, ..Access::default() };
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let signer = Signer::new(algorithm, private(algorithm)).unwrap();
        let token = signer.sign(&TokenRequest::lasting(Duration::from_secs(1)), now()).unwrap();
        assert!(access.check(&token, now()).is_ok(), "{}", algorithm.name());
    }
    assert!(keys_of_set("{}").unwrap_err().to_string().starts_with("not a JSON Web Key Set: "));
    let none = keys_of_set(r#"{"keys":[]}"#).unwrap_err();
    assert_eq!(none.to_string(), "the key set has no key for RS256, ES256 or EdDSA");
}

#[test]
fn opaque_tokens_are_known_by_their_digest() {
    let token = opaque_token([7; 32]);
    assert!(token.starts_with("sg_") && token.len() == 3 + 43, "{token}");
    let known = OpaqueToken {
        digest: Digest::of(&token),
        subject: Some("press".into()),
        scopes: Scopes::parse("write:stamp"),
        expires: Some(at(NOW + 1)),
    };
    let mut access = Access { opaque: [known.clone()].into_iter().collect(), ..hs256() };
    let grant = access.check(&token, now()).unwrap();
    assert_eq!((grant.subject.as_deref(), grant.expires), (Some("press"), Some(at(NOW + 1))));
    assert!(grant.scopes.allow(Right::Write, "stamp"));
    assert_eq!(access.check(&token, at(NOW + 1)), Err(Refused::Expired));
    assert_eq!(access.check(&opaque_token([8; 32]), now()), Err(Refused::Unknown));
    assert_eq!(
        access.check(&known.digest.to_string(), now()),
        Err(Refused::Unknown),
        "who reads the list has no token"
    );

    assert!(access.still_holds(&grant));
    access.opaque = std::iter::empty().collect();
    assert!(!access.still_holds(&grant), "it was taken off the list");
}

#[test]
fn what_is_revoked_counts_no_more_and_ends_what_holds_it() {
    let claims = json!({"exp": NOW, "sub": "ann", "jti": "4711"});
    let token = signed(SECRET, &Header::default(), &claims);
    let grant = hs256().check(&token, now()).unwrap();
    let revoke = |revoked| Access { revocations: [revoked].into_iter().collect::<Revocations>(), ..hs256() };
    let rows = [
        (Revoked::Subject("ann".into()), true),
        (Revoked::TokenId("4711".into()), true),
        (Revoked::Token(Digest::of(&token)), true),
        (Revoked::Token(Digest::of_content(&token)), true),
        (Revoked::Subject("4711".into()), false),
        (Revoked::TokenId("ann".into()), false),
        (Revoked::Subject("anna".into()), false),
        (Revoked::Token(Digest::of("ann")), false),
    ];
    for (revoked, hits) in rows {
        let access = revoke(revoked.clone());
        assert_eq!(access.check(&token, now()) == Err(Refused::Revoked), hits, "{revoked}");
        assert_eq!(access.still_holds(&grant), !hits, "{revoked}");
    }
}

#[test]
fn a_revoked_token_does_not_do_with_another_signature_of_the_same() {
    let key = Key::new(Algorithm::Es256, public(Algorithm::Es256)).unwrap();
    let mut access = Access { keys: vec![key], ..Access::default() };
    let sign = |subject: &str| {
        let request = TokenRequest { subject: Some(subject.into()), ..TokenRequest::lasting(Duration::from_secs(60)) };
        Signer::new(Algorithm::Es256, private(Algorithm::Es256)).unwrap().sign(&request, now()).unwrap()
    };
    let token = sign("ann");
    let other = with_other_signature(&token);
    assert_ne!(token, other);
    assert_eq!(access.check(&other, now()).unwrap().digest, access.check(&token, now()).unwrap().digest);
    access.revocations.add(Revoked::of_token(&token));
    for token in [&token, &other] {
        assert_eq!(access.check(token, now()), Err(Refused::Revoked));
    }
    assert!(access.check(&sign("bob"), now()).is_ok());
}

#[test]
fn before_the_key_set_is_here_tokens_that_it_may_verify_are_not_refused() {
    let access = Access { awaits_keys: true, ..hs256() };
    let claims = json!({"exp": NOW, "sub": "ann"});
    let of_set = Signer::new(Algorithm::EdDsa, private(Algorithm::EdDsa)).unwrap();
    let of_set = of_set.sign(&TokenRequest::lasting(Duration::from_secs(60)), now()).unwrap();
    assert_eq!(access.check(&of_set, now()), Err(Refused::KeysAwaited));
    assert_eq!(hs256().check(&of_set, now()), Err(Refused::NoKey));
    assert!(access.check(&signed(SECRET, &Header::default(), &claims), now()).is_ok(), "what is here counts");
    let forged = signed(b"another secret, long enough as well", &Header::default(), &claims);
    assert_eq!(access.check(&forged, now()), Err(Refused::Signature), "no key of a set is a secret");
    assert_eq!(access.check("sg_x", now()), Err(Refused::Unknown));
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let token = opaque_token([7; 32]);
    let known = OpaqueToken { digest: Digest::of(&token), subject: None, scopes: Scopes::default(), expires: None };
    let access = Access { opaque: [known].into_iter().collect(), ..hs256() };
    let grant = access.check(&token, now()).unwrap();
    let signer = Signer::new(Algorithm::Hs256, SECRET).unwrap();
    let printed = format!("{access:?} {grant:?} {signer:?}");
    let secret = String::from_utf8(SECRET.to_vec()).unwrap();
    assert!(!printed.contains(&token) && !printed.contains(&secret), "{printed}");
    assert!(!printed.contains(&format!("{SECRET:?}")[1..20]), "{printed}");
}

fn hs256() -> Access {
    Access { keys: vec![Key::new(Algorithm::Hs256, SECRET).unwrap()], ..Access::default() }
}

fn now() -> SystemTime {
    at(NOW)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn signed(secret: &[u8], header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

/// A token of any header and content, signed by HMAC with SHA-256 whatever the header says.
fn signed_text(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn public(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::Hs256 => SECRET,
        Algorithm::Rs256 => include_bytes!("keys/rsa.pub.pem"),
        Algorithm::Es256 => include_bytes!("keys/ec.pub.pem"),
        Algorithm::EdDsa => include_bytes!("keys/ed.pub.pem"),
    }
}

fn private(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::Hs256 => SECRET,
        Algorithm::Rs256 => include_bytes!("keys/rsa.pem"),
        Algorithm::Es256 => include_bytes!("keys/ec.pem"),
        Algorithm::EdDsa => include_bytes!("keys/ed.pem"),
    }
}

/// The same token, ES256, with the other `s` that verifies: what is left of the order of the curve.
fn with_other_signature(token: &str) -> String {
    let order = 0xFFFF_FFFF_0000_0000_FFFF_FFFF_FFFF_FFFF_u128;
    let order = [order.to_be_bytes(), 0xBCE6_FAAD_A717_9E84_F3B9_CAC2_FC63_2551_u128.to_be_bytes()].concat();
    let (content, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrowed = 0;
    for (place, of_order) in signature[32..].iter_mut().zip(order).rev() {
        let rest = i16::from(of_order) - i16::from(*place) - borrowed;
        borrowed = i16::from(rest < 0);
        *place = rest as u8;
    }
    format!("{content}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The public key as key sets have it.
fn jwk(algorithm: Algorithm) -> Value {
    let (key, name) = match algorithm {
        Algorithm::Hs256 => unreachable!("a secret is no public key"),
        Algorithm::Rs256 => (EncodingKey::from_rsa_pem(private(algorithm)), jsonwebtoken::Algorithm::RS256),
        Algorithm::Es256 => (EncodingKey::from_ec_pem(private(algorithm)), jsonwebtoken::Algorithm::ES256),
        Algorithm::EdDsa => (EncodingKey::from_ed_pem(private(algorithm)), jsonwebtoken::Algorithm::EdDSA),
    };
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key.unwrap(), name).unwrap();
    let mut value = serde_json::to_value(jwk).unwrap();
    value.as_object_mut().unwrap().remove("alg");
    value
}
