//! The whole way from flags, environment and file to a configuration or to the sentence that refuses it.

use std::{fs, net::Ipv4Addr, path::PathBuf, time::Duration};

use clap::Parser;
use tempfile::TempDir;

use super::*;
use quix_model::{Time, Unit};

use crate::args::{Args, Command};

#[test]
fn nothing_given_is_the_default() {
    let loaded = Setup::default().load().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(!loaded.is_set("admin_listen"));
    assert_eq!(loaded.origin("admin_listen"), Origin::Default);
    assert_eq!(loaded.file, None);
}

#[test]
fn flags_over_environment_over_file_over_default() {
    const FILE: &str = "listen = \"127.0.0.1:1\"";
    const ENVIRONMENT: &[(&str, &str)] = &[("STREAMGATE_LISTEN", "127.0.0.1:2")];
    const FLAGS: &[&str] = &["--listen", "127.0.0.1:3"];
    for (file, environment, flags, port, origin) in [
        ("", &[][..], &[][..], 8080, "default"),
        (FILE, &[], &[], 1, "streamgate.toml:1"),
        (FILE, ENVIRONMENT, &[], 2, "environment STREAMGATE_LISTEN"),
        (FILE, ENVIRONMENT, FLAGS, 3, "flag --listen"),
        (FILE, &[], FLAGS, 3, "flag --listen"),
        ("", ENVIRONMENT, FLAGS, 3, "flag --listen"),
        ("", ENVIRONMENT, &[], 2, "environment STREAMGATE_LISTEN"),
        (FILE, &[("STREAMGATE_LISTEN", "")], &[], 1, "streamgate.toml:1"),
    ] {
        let loaded = Setup { file, environment, flags }.load().unwrap();
        assert_eq!((loaded.config.listen.port(), loaded.origin("listen").to_string().as_str()), (port, origin));
        assert_eq!(loaded.is_set("listen"), origin != "default");
    }
}

#[test]
fn a_default_that_was_asked_for_counts_as_asked_for() {
    let loaded = Setup { flags: &["--admin-listen", "127.0.0.1:9090"], ..Setup::default() }.load().unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.is_set("admin_listen"));
}

#[test]
fn every_kind_of_value_can_be_given_everywhere() {
    let file = "
        memory = false
        create_topics = true
        allowed_origins = [\"https://app.example.com\", \"null\"]
        kafka.brokers = [\"a:1\", \"[::1]:2\"]
        kafka.compression = \"zstd\"
        tls.certificate = \"c.pem\"
        tls.key = \"k.pem\"
        [limits]
        connections = 7
        connections_per_address = 0
        new_connections_per_address = 9
        message_size = 1024
        write_stall = \"500ms\"
    ";
    let config = Setup { file, ..Setup::default() }.load().unwrap().config;
    assert_eq!(config.create_topics, Some(true));
    assert_eq!(
        config.allowed_origins,
        [AllowedOrigin::Exact("https://app.example.com".to_owned()), AllowedOrigin::Null]
    );
    assert_eq!(config.kafka.brokers, ["a:1", "[::1]:2"]);
    assert_eq!(config.kafka.compression, Compression::Zstd);
    assert_eq!(
        config.tls.certificate.as_deref().zip(config.tls.key.as_deref()),
        Some(("c.pem".as_ref(), "k.pem".as_ref()))
    );
    assert_eq!((config.limits.connections, config.limits.message_size), (7, 1024));
    assert_eq!((config.limits.connections_per_address, config.limits.new_connections_per_address), (Some(0), Some(9)));
    assert_eq!(config.limits.write_stall, Duration::from_millis(500));

    let environment = &[
        ("STREAMGATE_MEMORY", "false"),
        ("STREAMGATE_CREATE_TOPICS", "true"),
        ("STREAMGATE_ALLOWED_ORIGINS", "https://app.example.com, null"),
        ("STREAMGATE_KAFKA__BROKERS", "a:1,[::1]:2"),
        ("STREAMGATE_KAFKA__COMPRESSION", "zstd"),
        ("STREAMGATE_TLS__CERTIFICATE", "c.pem"),
        ("STREAMGATE_TLS__KEY", "k.pem"),
        ("STREAMGATE_LIMITS__CONNECTIONS", "7"),
        ("STREAMGATE_LIMITS__CONNECTIONS_PER_ADDRESS", "0"),
        ("STREAMGATE_LIMITS__NEW_CONNECTIONS_PER_ADDRESS", "9"),
        ("STREAMGATE_LIMITS__MESSAGE_SIZE", "1KiB"),
        ("STREAMGATE_LIMITS__WRITE_STALL", "500ms"),
    ];
    assert_eq!(Setup { environment, ..Setup::default() }.load().unwrap().config, config);

    let flags = &[
        ["--kafka", "a:1", "--create-topics=true", "--listen", "localhost:0"].as_slice(),
        &["--tls-certificate", "c.pem", "--tls-key", "k.pem"],
    ]
    .concat();
    let config = Setup { flags, ..Setup::default() }.load().unwrap().config;
    assert_eq!(
        config.tls.certificate.as_deref().zip(config.tls.key.as_deref()),
        Some(("c.pem".as_ref(), "k.pem".as_ref()))
    );
    assert_eq!((config.kafka.brokers, config.create_topics), (vec!["a:1".to_owned()], Some(true)));
    assert_eq!(config.listen, (Ipv4Addr::LOCALHOST, 0).into());
}

#[test]
fn topics_are_made_on_loopback_without_kafka_unless_said_otherwise() {
    for (flags, made) in [
        (&[][..], true),
        (&["--memory"], true),
        (&["--kafka", "a:1"], false),
        (&["--kafka", "a:1", "--create-topics"], true),
        (&["--create-topics=false"], false),
    ] {
        assert_eq!(Setup { flags, ..Setup::default() }.load().unwrap().config.makes_topics(), made, "{flags:?}");
    }
}

#[test]
fn topics_are_kept_in_the_data_folder_unless_said_otherwise() {
    let default_listener = Some((Ipv4Addr::LOCALHOST, 9092).into());
    for (flags, storage, data, listener) in [
        (&[][..], Storage::Folder, "streamgate-data", default_listener),
        (&["--data", "d", "--kafka-listen", "0.0.0.0:1"], Storage::Folder, "d", Some(([0, 0, 0, 0], 1).into())),
        (&["--kafka-listen", "off"], Storage::Folder, "streamgate-data", None),
        (&["--memory"], Storage::Memory, "streamgate-data", None),
        (&["--kafka", "a:1"], Storage::Kafka, "streamgate-data", None),
        (&["--kafka", "a:1", "--kafka-listen", "off"], Storage::Kafka, "streamgate-data", None),
    ] {
        let config = Setup { flags, ..Setup::default() }.load().unwrap().config;
        let outcome = (config.storage(), config.data.to_str().unwrap(), config.kafka_listener());
        assert_eq!(outcome, (storage, data, listener), "{flags:?}");
    }
}

#[test]
fn the_folder_that_systemd_offers_is_the_default_and_nothing_more() {
    let offered = &[("STATE_DIRECTORY", "/var/lib/streamgate:/var/lib/other")];
    let loaded = Setup { environment: offered, ..Setup::default() }.load().unwrap();
    assert_eq!(loaded.config.data, PathBuf::from("/var/lib/streamgate"));
    assert_eq!(loaded.origin("data").to_string(), "environment STATE_DIRECTORY");
    let given = Setup { file: "data = \"d\"", environment: offered, ..Setup::default() }.load().unwrap();
    assert_eq!(given.config.data, PathBuf::from("d"));
    let kafka = Setup { flags: &["--kafka", "a:1"], environment: offered, ..Setup::default() }.load().unwrap();
    assert_eq!(kafka.config.storage(), Storage::Kafka, "an offer is no wish");
}

#[test]
fn librdkafka_properties_keep_their_dots_and_are_never_shown() {
    let file = "
        [kafka.properties]
        sasl.mechanism = \"PLAIN\"
        \"sasl.password\" = \"hunter2\"
        \"socket.keepalive.enable\" = true
        \"metadata.max.age.ms\" = 5000
    ";
    let environment = &[("STREAMGATE_KAFKA__PROPERTIES__SASL_USERNAME", "hunter3")];
    let loaded = Setup { file, environment, ..Setup::default() }.load().unwrap();
    let properties: Vec<_> =
        loaded.config.kafka.properties.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    assert_eq!(
        properties,
        [
            ("metadata.max.age.ms", "5000"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.password", "hunter2"),
            ("sasl.username", "hunter3"),
            ("socket.keepalive.enable", "true"),
        ]
    );
    let shown = format!("{:?}{}{}", loaded, show(&loaded, true), show(&loaded, false));
    assert!(!shown.contains("hunter") && !shown.contains("PLAIN"), "{shown}");
    assert!(shown.contains("\"sasl.password\" = \"***\"") && shown.contains("streamgate.toml:4"), "{shown}");
}

#[test]
fn unknown_settings_are_named_with_their_place_and_their_neighbour() {
    for (file, environment, sentence) in [
        ("\nlisen = \"x\"", &[][..], "unknown setting `lisen` (streamgate.toml:2); did you mean `listen`?"),
        ("[limts]\nconnections = 1", &[], "unknown setting `limts` (streamgate.toml:1); did you mean `limits`?"),
        (
            "[limits]\n\nmesage_size = 1",
            &[],
            "unknown setting `limits.mesage_size` (streamgate.toml:3); did you mean `limits.message_size`?",
        ),
        ("brokers = []", &[], "unknown setting `brokers` (streamgate.toml:1); did you mean `kafka.brokers`?"),
        ("colour = 1", &[], "unknown setting `colour` (streamgate.toml:1)"),
        (
            "",
            &[("STREAMGATE_KAFKA__BROKER", "a:1")],
            "unknown setting `kafka.broker` (environment STREAMGATE_KAFKA__BROKER); did you mean `STREAMGATE_KAFKA__BROKERS`?",
        ),
        (
            "",
            &[("STREAMGATE_KAFKA_BROKERS", "a:1")],
            "unknown setting `kafka_brokers` (environment STREAMGATE_KAFKA_BROKERS); did you mean `STREAMGATE_KAFKA__BROKERS`?",
        ),
    ] {
        assert_eq!(Setup { file, environment, ..Setup::default() }.refusal(), sentence);
    }
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let environment = &[
        ("PATH", "/bin"),
        ("XSTREAMGATE_LISEN", "x"),
        ("STREAMGATE_URL", "http://127.0.0.1:1"),
        ("STREAMGATE_CONFIG", "x.toml"),
        ("STREAMGATE_SERVICE_HOST", "10.0.0.1"),
        ("STREAMGATE_SERVICE_PORT_HTTP", "8080"),
        ("STREAMGATE_PORT", "tcp://10.0.0.1:8080"),
        ("STREAMGATE_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("STREAMGATE_LISEN", ""),
    ];
    assert_eq!(Setup { environment, ..Setup::default() }.load().unwrap().config, Config::default());
}

#[test]
fn bad_values_are_refused_in_one_sentence_that_names_them() {
    for (line, sentence) in [
        ("memory = \"yes\"", "`memory` (streamgate.toml:1) must be true or false, not \"yes\""),
        (
            "create_topics = \"maybe\"",
            "`create_topics` (streamgate.toml:1) must be true, false or \"auto\", not \"maybe\"",
        ),
        ("workspace = 5", "`workspace` (streamgate.toml:1) must be a text, not 5"),
        (
            "workspace = \"\"",
            "`workspace` (streamgate.toml:1) must be 1 to 100 letters, digits, '.', '_' or '-', not \"\"",
        ),
        (
            "listen = \"8080\"",
            "`listen` (streamgate.toml:1) must be an address with a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\", not \"8080\"",
        ),
        (
            "allowed_origins = \"*\"",
            "`allowed_origins` (streamgate.toml:1) cannot be \"*\": without authentication any web page could then read and write; list the origins",
        ),
        (
            "auth.default_scope = \"raed:*\"",
            "`auth.default_scope` (streamgate.toml:1) must be scopes such as \"read:f1-* write:f1-data\", not \"raed:*\"",
        ),
        (
            "trusted_proxies = \"10.0.0.7, 10.0.0.0/0\"",
            "`trusted_proxies` (streamgate.toml:1) must hold addresses and networks such as \"10.0.0.7\" or \"fd00::/8\", not \"10.0.0.0/0\"",
        ),
        ("auth.secret = 5", "`auth.secret` (streamgate.toml:1) must be a text, or \"off\""),
        (
            "auth.keys = \"hunter2\"",
            "`auth.keys` (streamgate.toml:1) must be a list of keys; number 1 is no table; write it like [[auth.keys]] with algorithm = \"HS256\" and file = \"secret.txt\" below",
        ),
        (
            "[[auth.keys]]\nalgorithm = \"none\"\nsecret = \"hunter2\"",
            "`auth.keys` (streamgate.toml:1) must be a list of keys; number 1 needs an `algorithm`: HS256, RS256, ES256 or EdDSA",
        ),
        (
            "[[auth.keys]]\nalgorithm = \"HS256\"\nsecret = 5",
            "`auth.keys` (streamgate.toml:1) must be a list of keys; number 1 has a setting `secret` that is no text",
        ),
        (
            "[[auth.keys]]\nalgorithm = \"HS256\"\nsecret = \"hunter2\"\nfile = \"f\"",
            "`auth.keys` (streamgate.toml:1) must be a list of keys; number 1 needs one of `file`, `environment` and `secret`",
        ),
        (
            "[[auth.keys]]\nalgorithm = \"HS256\"\npassword = \"hunter2\"",
            "`auth.keys` (streamgate.toml:1) must be a list of keys; number 1 has `password`, which is none of algorithm, id, file, environment, secret, issuer, audience",
        ),
        (
            "auth.jwks_url = \"http://login.example.com/keys\"",
            "`auth.jwks_url` (streamgate.toml:1) must be https, as who answers there decides who is let in; auth.jwks_allow_private allows http",
        ),
        (
            "auth.jwks_url = \"login.example.com\"",
            "`auth.jwks_url` (streamgate.toml:1) must be like \"https://login.example.com/keys\", not \"login.example.com\"",
        ),
        (
            "auth.jwks_url = \"https://a.example\"\nauth.jwks_refresh = \"10ms\"",
            "`auth.jwks_refresh` (streamgate.toml:2) must be at least 1s",
        ),
        (
            "auth.revocations_file = \"r\"",
            "`auth.revocations_file` (streamgate.toml:1) revokes tokens, and none are asked for: name what they are signed with in [auth] (secret_file, keys, jwks_url or tokens_file)",
        ),
        (
            "[[webhooks]]\npath = \"/a\"\ntopic = \"t\"",
            "`webhooks` (streamgate.toml:1) cannot be taken: number 1 (\"/a\") needs a `preset` or `verify`; where nobody signs, write preset = \"none\"",
        ),
        (
            "[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"bearer\"\nsecrets = \"hunter2\"",
            "`webhooks` (streamgate.toml:1) cannot be taken: number 1 (\"/a\") has `secrets`, which is none of path, topic, preset, verify, secret, id, tolerance, replay_window, rate, content, stream, key, timestamp, as, event, tags",
        ),
        (
            "[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"none\"\nbody = \"hunter2\"",
            "`webhooks` (streamgate.toml:1) cannot be taken: number 1 (\"/a\") has `body`, which is none of path, topic, preset, verify, secret, id, tolerance, replay_window, rate, content, stream, key, timestamp, as, event, tags",
        ),
        (
            "[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"none\"\n[[webhooks]]\npath = \"/a\"\ntopic = \"u\"\npreset = \"none\"",
            "`webhooks` (streamgate.toml:1) cannot be taken: two have the path \"/a\"",
        ),
        (
            "[[webhooks]]\npath = \"/a\"\ntopic = \"..\"\npreset = \"none\"",
            "`webhooks` (streamgate.toml:1) cannot be taken: that of \"/a\" has a topic that is none: '.' and '..' are not names",
        ),
        (
            "[[sources.poll]]\nname = \"a\"\ntopic = \"t\"\nurl = \"u\"\nevery = \"1s\"\n\
             [[sources.poll]]\nname = \"a\"\ntopic = \"t\"\nurl = \"u\"\nevery = \"1s\"",
            "`sources.poll` (streamgate.toml:1) cannot be taken: two have the name \"a\"",
        ),
        (
            "[[sources.poll]]\nname = \"a\"",
            "`sources.poll` (streamgate.toml:1) cannot be taken: number 1 (\"a\") has no `topic`",
        ),
        ("limits = 5", "`limits` (streamgate.toml:1) is a section: write [limits] and its settings below"),
        (
            "limits.connections.most = 5",
            "`limits.connections` (streamgate.toml:1) is one setting and has none below it",
        ),
        (
            "limits.connections = -1",
            "`limits.connections` (streamgate.toml:1) must be a whole number from 0 to 4294967295, not -1",
        ),
        (
            "limits.connections = \"many\"",
            "`limits.connections` (streamgate.toml:1) must be a whole number, not \"many\"",
        ),
        (
            "limits.write_stall = 10",
            "`limits.write_stall` (streamgate.toml:1) must be a duration such as \"15s\" or \"500ms\" (whole numbers of ms, s, m, h or d), not 10",
        ),
        (
            "limits.message_size = \"4MB\"",
            "`limits.message_size` (streamgate.toml:1) must be a size such as \"4MiB\" or a number of bytes (whole numbers of B, KiB, MiB or GiB), not \"4MB\"",
        ),
        (
            "kafka.compression = \"zip\"",
            "`kafka.compression` (streamgate.toml:1) must be one of none, gzip, snappy, lz4, zstd, not \"zip\"",
        ),
        (
            "kafka.partitioner = \"random\"",
            "`kafka.partitioner` (streamgate.toml:1) must be one of consistent, consistent_random, murmur2, murmur2_random, fnv1a, fnv1a_random, not \"random\"",
        ),
        (
            "kafka.properties.acks = \"0\"",
            "`kafka.properties.acks` (streamgate.toml:1) cannot be set: acks is always all: acknowledged means durable",
        ),
        (
            "kafka.properties.x = [\"hunter2\"]",
            "`kafka.properties.x` (streamgate.toml:1) must be a text, a number or true or false",
        ),
        ("tls.key = \"\"", "`tls.key` (streamgate.toml:1) must be a file, or \"off\", not \"\""),
        (
            "limits.connections_per_address = -1",
            "`limits.connections_per_address` (streamgate.toml:1) must be a whole number from 0 to 4294967295 or \"auto\", not -1",
        ),
        (
            "limits.new_connections_per_address = \"many\"",
            "`limits.new_connections_per_address` (streamgate.toml:1) must be a whole number from 0 to 4294967295 or \"auto\", not \"many\"",
        ),
        ("data = \"\"", "`data` (streamgate.toml:1) must be a folder, not \"\""),
        (
            "kafka_listen = \"9092\"",
            "`kafka_listen` (streamgate.toml:1) must be an address with a port, such as \"127.0.0.1:9092\", or \"off\", not \"9092\"",
        ),
        (
            "log.reserve = \"some\"",
            "`log.reserve` (streamgate.toml:1) must be a size such as \"4MiB\" or a number of bytes (whole numbers of B, KiB, MiB or GiB), not \"some\"",
        ),
        ("memory = ", "streamgate.toml:1: this is not TOML: string values must be quoted, expected literal string"),
    ] {
        assert_eq!(Setup { file: line, ..Setup::default() }.refusal(), sentence);
    }
}

#[test]
fn a_bad_value_is_refused_even_where_a_flag_overrides_it() {
    let setup = Setup { file: "listen = \"x\"", flags: &["--listen", "127.0.0.1:1"], ..Setup::default() };
    assert!(setup.refusal().starts_with("`listen` (streamgate.toml:1) must be an address"));
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    const NO_AUTHENTICATION: &str = "which other machines can reach, and there is no authentication: name what tokens are signed \
        with in [auth] (secret_file, keys, jwks_url or tokens_file), or listen on loopback (127.0.0.1 or [::1]); --insecure-no-auth \
        lets everybody read and write";
    for (flags, file, sentence) in [
        (
            &["--kafka", "a:1", "--memory"][..],
            "",
            "`memory` (flag --memory) and `kafka.brokers` (flag --kafka) exclude each other: topics are kept either in memory or in Kafka; leave one out"
                .to_owned(),
        ),
        (
            &["--memory"],
            "\nkafka.brokers = \"a:1\"",
            "`memory` (flag --memory) and `kafka.brokers` (streamgate.toml:2) exclude each other: topics are kept either in memory or in Kafka; leave one out"
                .to_owned(),
        ),
        (
            &["--memory", "--data", "d"],
            "",
            "`memory` (flag --memory) and `data` (flag --data) exclude each other: topics are kept either in memory or in a folder; leave one out"
                .to_owned(),
        ),
        (
            &["--kafka", "a:1"],
            "data = \"d\"",
            "`kafka.brokers` (flag --kafka) and `data` (streamgate.toml:1) exclude each other: topics are kept either in Kafka or in a folder; leave one out"
                .to_owned(),
        ),
        (
            &["--kafka", "a:1", "--kafka-listen", "127.0.0.1:9092"],
            "",
            "`kafka_listen` (flag --kafka-listen) and `kafka.brokers` (flag --kafka) do not fit: Kafka clients are served the topics of a data folder only; leave one out"
                .to_owned(),
        ),
        (
            &["--memory"],
            "kafka_advertised = \"a:1\"",
            "`kafka_advertised` (streamgate.toml:1) and `memory` (flag --memory) do not fit: Kafka clients are served the topics of a data folder only; leave one out"
                .to_owned(),
        ),
        (
            &["--kafka-listen", "off", "--kafka-advertised", "a:1"],
            "",
            "`kafka_advertised` (flag --kafka-advertised) and `kafka_listen` (flag --kafka-listen) do not fit: an address for Kafka clients, and no listener for them"
                .to_owned(),
        ),
        (
            &["--kafka-advertised", "plant"],
            "",
            "`kafka_advertised` (flag --kafka-advertised) must be HOST:PORT, such as \"plant.example:9092\", or \"auto\", not \"plant\"".to_owned(),
        ),
        (
            &["--kafka-listen", "127.0.0.1:8080"],
            "",
            "`listen` (default) and `kafka_listen` (flag --kafka-listen) are both 127.0.0.1:8080: give each a port of its own".to_owned(),
        ),
        (
            &[],
            "log.segment_size = \"2GiB\"",
            "`log.segment_size` (streamgate.toml:1) must be from 1MiB to 1GiB, not 2GiB".to_owned(),
        ),
        (
            &[],
            "log.retention_bytes = \"100MiB\"",
            "`log.retention_bytes` (streamgate.toml:1) and `log.segment_size` (default) do not fit: 100MiB hold no two segments of 64MiB, and retention deletes whole ones"
                .to_owned(),
        ),
        (&[], "log.retention_age = \"0s\"", "`log.retention_age` (streamgate.toml:1) must be more than 0".to_owned()),
        (&["--listen", "0.0.0.0:80"], "", format!("`listen` (flag --listen) is 0.0.0.0:80, {NO_AUTHENTICATION}")),
        (&["--listen", "[::]:80"], "", format!("`listen` (flag --listen) is [::]:80, {NO_AUTHENTICATION}")),
        (
            &["--admin-listen", "192.168.0.1:9"],
            "",
            format!("`admin_listen` (flag --admin-listen) is 192.168.0.1:9, {NO_AUTHENTICATION}"),
        ),
        (
            &["--insecure-no-auth"],
            "auth.tokens_file = \"t\"",
            "`auth.tokens_file` (streamgate.toml:1) and `auth.insecure_no_auth` (flag --insecure-no-auth) exclude each other: either tokens are asked for or they are not; leave one out".to_owned(),
        ),
        (
            &["--tls-certificate", "c.pem"],
            "",
            "`tls.certificate` (flag --tls-certificate) and `tls.key` (default) go together: the file of its key is missing; name it with --tls-key".to_owned(),
        ),
        (
            &["--tls-certificate", "off"],
            "tls.key = \"k.pem\"",
            "`tls.certificate` (flag --tls-certificate) and `tls.key` (streamgate.toml:1) go together: the file of its certificate is missing; name it with --tls-certificate".to_owned(),
        ),
        (
            &["--listen", "127.0.0.1:9090"],
            "",
            "`listen` (flag --listen) and `admin_listen` (default) are both 127.0.0.1:9090: give each a port of its own".to_owned(),
        ),
        (
            &["--kafka", "broker"],
            "",
            "`kafka.brokers` (flag --kafka) must hold HOST:PORT, such as \"broker:9092\", not \"broker\"".to_owned(),
        ),
        (
            &[],
            "kafka.linger_ms = 6",
            "`kafka.linger_ms` (streamgate.toml:1) must be from 0 to 5, not 6: every call would wait that long".to_owned(),
        ),
        (
            &[],
            "limits.message_size = \"5MiB\"",
            "`limits.message_size` (streamgate.toml:1) and `limits.frame_size` (default) do not fit: a message of 5MiB comes in one frame, and frames end at 4160KiB; raise `limits.frame_size` with it"
                .to_owned(),
        ),
        (
            &[],
            "limits.delivery_timeout = \"121s\"",
            "`limits.delivery_timeout` (streamgate.toml:1) must be at most 120s: no client waits longer".to_owned(),
        ),
    ] {
        assert_eq!(Setup { file, flags, ..Setup::default() }.refusal(), sentence);
    }
}

#[test]
fn hosts_and_ports_of_brokers() {
    for (broker, good) in [
        ("a:1", true),
        ("kafka-0.kafka:9092", true),
        ("[::1]:9092", true),
        ("a", false),
        ("a:", false),
        ("a:0", false),
        ("a:65536", false),
        (":9092", false),
        ("::1:9092", false),
        ("SSL://a:1", false),
        ("a b:1", false),
    ] {
        assert_eq!(Setup { flags: &["--kafka", broker], ..Setup::default() }.load().is_ok(), good, "{broker}");
    }
}

#[test]
fn no_limit_can_be_zero_but_those_per_address() {
    let schema = schema::Schema::new();
    let limits = schema.get("limits").unwrap().as_table().unwrap().clone();
    assert!(!limits.is_empty());
    for (name, default) in limits {
        if check::MAY_BE_OFF.contains(&name.as_str()) {
            let file = format!("limits.{name} = 0");
            assert!(Setup { file: &file, ..Setup::default() }.load().is_ok(), "{name}");
            continue;
        }
        let zero = match default.as_str() {
            None => "0",
            Some(size) if size.ends_with('B') => "\"0KiB\"",
            Some(_) => "\"0ms\"",
        };
        let file = format!("limits.{name} = {zero}");
        let sentence = Setup { file: &file, ..Setup::default() }.refusal();
        assert_eq!(
            sentence,
            format!("`limits.{name}` (streamgate.toml:1) must be more than 0: this limit cannot be switched off")
        );
    }
}

#[test]
fn what_is_shown_reads_back_as_what_is_in_force() {
    let file = "create_topics = false\nkafka.brokers = \"a:1,b:2\"\nlog.reserve = 0\nlog.retention_age = \"36h\"\nlimits.body_size = 1000\nlimits.connections_per_address = 5\ntls.certificate = \"c\"\ntls.key = \"k\"\nlimits.write_stall = \"1500ms\"";
    let config = Setup { file, ..Setup::default() }.load().unwrap();
    for with_origin in [false, true] {
        let again = Setup { file: &show(&config, with_origin), ..Setup::default() }.load().unwrap();
        assert_eq!(again.config, config.config);
    }
    assert!(show(&config, true).lines().any(|line| line.starts_with("listen = ") && line.ends_with("  # default")));
    assert!(!show(&config, false).contains('#'));
}

#[test]
fn topics_are_told_apart_by_patterns_with_dots_and_stars() {
    let file = "
        [topics.\"plant.a*\"]
        form = \"headers\"
        [topics.f1]
        split = \"legacy\"
        max_message_size = \"64KiB\"
        [topics.\"*\"]
        refuse_slashes = true
        [topics.plain]
        [topics.\"mqtt.*\"]
        as = \"parameters\"
        timestamp = { pointer = \"/t\", unit = \"ms\" }
        tags = [\"/device\", \"/a/0\"]
        [topics.mqtt-text]
        as = \"parameters\"
        timestamp = \"/at\"
    ";
    let loaded = Setup { file, ..Setup::default() }.load().unwrap();
    let names: Vec<_> = loaded.config.topics.keys().map(String::as_str).collect();
    assert_eq!(names, ["*", "f1", "mqtt-text", "mqtt.*", "plain", "plant.a*"]);
    assert_eq!(loaded.config.topics["plain"], TopicConfig::default());
    assert_eq!(loaded.config.topics["plant.a*"], TopicConfig { form: Form::Headers, ..TopicConfig::default() });
    let f1 = TopicConfig { split: Split::Legacy, max_message_size: Some(64 << 10), ..TopicConfig::default() };
    assert_eq!(loaded.config.topics["f1"], f1);
    assert!(loaded.config.topics["*"].refuse_slashes);
    let time = Time { pointer: "/t".parse().unwrap(), unit: Some(Unit::Milliseconds) };
    let tags = vec!["/device".parse().unwrap(), "/a/0".parse().unwrap()];
    let rows = TopicConfig { read_as: ReadAs::Parameters, timestamp: Some(time), tags, ..TopicConfig::default() };
    assert_eq!(loaded.config.topics["mqtt.*"], rows);
    assert_eq!(loaded.config.topics["mqtt-text"].timestamp.as_ref().unwrap().unit, None);
    assert_eq!(loaded.origin("topics.plant.a*.form").to_string(), "streamgate.toml:3");

    let shown = show(&loaded, true);
    assert!(shown.contains("[topics.\"plant.a*\"]\nform = \"headers\""), "{shown}");
    let timestamp = shown.lines().find(|line| line.contains("unit")).unwrap();
    assert!(timestamp.starts_with("timestamp = { pointer = \"/t\", unit = \"ms\" }"), "{shown}");
    assert!(timestamp.ends_with("# streamgate.toml:12"), "{shown}");
    assert_eq!(Setup { file: &shown, ..Setup::default() }.load().unwrap().config, loaded.config);
}

#[test]
fn what_is_wrong_about_topics_is_said() {
    for (file, sentence) in [
        (
            "[topics.f1]\nfrom = \"json\"",
            "unknown setting `topics.f1.from` (streamgate.toml:2); did you mean `topics.f1.form`?",
        ),
        (
            "[topics.f1]\nform = \"xml\"",
            "`topics.f1.form` (streamgate.toml:2) must be \"legacy\", \"headers\" or \"json\", not \"xml\"",
        ),
        ("[topics.f1]\nsplit = true", "`topics.f1.split` (streamgate.toml:2) must be a text, not true"),
        ("topics.f1 = 1", "`topics.f1` (streamgate.toml:1) is a section: write [topics.f1] and its settings below"),
        (
            "[topics.\"f1 x\"]\nform = \"json\"",
            "`topics.f1 x.form` (streamgate.toml:2) cannot be set: \"f1 x\" must be a topic's name, or the beginning of \
             names and `*` behind it: a name consists of letters, digits, '.', '_' and '-'",
        ),
        (
            "[topics.\"f*1\"]\nform = \"json\"",
            "`topics.f*1.form` (streamgate.toml:2) cannot be set: \"f*1\" must be a topic's name, or the beginning of \
             names and `*` behind it: a name consists of letters, digits, '.', '_' and '-'",
        ),
        (
            "[topics.f1]\nform = \"json\"\nsplit = \"legacy\"",
            "`topics.f1.split` (streamgate.toml:3) and `topics.f1.form` (streamgate.toml:2) do not fit: only records of the \
             form \"legacy\" can be split",
        ),
        (
            "[topics.f1]\nmax_message_size = 100",
            "`topics.f1.max_message_size` (streamgate.toml:2) must be at least 2KiB: ids alone may take half of it",
        ),
        (
            "[topics.f1]\nas = \"event\"",
            "`topics.f1.as` (streamgate.toml:2) must be \"json\" or \"parameters\", not \"event\"",
        ),
        (
            "[topics.f1]\nas = \"parameters\"\ntimestamp = { pointer = \"/t\", unit = \"min\" }",
            "`topics.f1.timestamp` (streamgate.toml:3) must be \"/pointer\" or { pointer = \"/t\", unit = \"ms\" } with a unit s, \
             ms, us or ns",
        ),
        (
            "[topics.f1]\nas = \"parameters\"\ntags = [\"device\"]",
            "`topics.f1.tags` (streamgate.toml:3) must be a JSON pointer such as \"/user/id\", not \"device\"",
        ),
        (
            "[topics.f1]\ntags = [\"/device\"]",
            "`topics.f1.tags` (streamgate.toml:2) has no use without as = \"parameters\"",
        ),
        ("[topics.f1]\nform = { x = 1 }", "`topics.f1.form` (streamgate.toml:2) is one setting and has none below it"),
    ] {
        assert_eq!(Setup { file, ..Setup::default() }.refusal(), sentence);
    }
}

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
fn webhooks_are_shown_as_a_file_may_hold_them_but_for_their_secrets() {
    let file = "[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"segment\"\nsecret = [\"hunter2\", \"${SECRET}\"]\n\
                timestamp = { pointer = \"/t\", unit = \"ms\" }\n[[webhooks]]\npath = \"/b\"\ntopic = \"t\"\npreset = \"none\"\n\
                [limits]\nconnections = 7";
    let loaded = Setup { file, ..Setup::default() }.load().unwrap();
    let shown = show(&loaded, true);
    assert!(!(shown.clone() + &format!("{loaded:?}")).contains("hunter2"), "{shown}");
    let list = shown.lines().find(|line| line.starts_with("secret = [")).unwrap();
    assert!(list.starts_with("secret = [\"***\", \"${SECRET}\"]") && list.ends_with("# streamgate.toml:1"), "{list}");
    let again = Setup { file: &shown, ..Setup::default() }.load().unwrap();
    assert_eq!(show(&again, false), show(&loaded, false));
    assert_eq!(again.config.webhooks[1], loaded.config.webhooks[1]);
    let open = loaded.warnings.iter().filter(|warning| warning.starts_with("the webhook /b has preset = \"none\""));
    assert_eq!(open.count(), 1, "{:?}", loaded.warnings);
}

#[test]
fn a_named_file_must_exist_and_the_default_one_need_not() {
    let missing = PathBuf::from("there-is-no-such-file.toml");
    let named = Sources { file: FileChoice::Named(missing.clone()), ..Sources::default() };
    let sentence = load(named).unwrap_err().to_string();
    assert!(sentence.starts_with("the settings file there-is-no-such-file.toml cannot be read: "), "{sentence}");
    let maybe = Sources { file: FileChoice::IfPresent(missing), ..Sources::default() };
    assert_eq!(load(maybe).unwrap().file, None);
}

#[cfg(unix)]
#[test]
fn secrets_that_others_can_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    for (text, mode, warned) in [
        ("kafka.properties.x = \"y\"", 0o644, true),
        ("kafka.properties.x = \"y\"", 0o600, false),
        ("memory = true", 0o644, false),
        ("auth.secret = \"y\"", 0o644, true),
        ("auth.secret = \"off\"", 0o644, false),
        ("[[auth.keys]]\nalgorithm = \"HS256\"\nsecret = \"y\"", 0o644, true),
        ("[[auth.keys]]\nalgorithm = \"HS256\"\nfile = \"y\"", 0o644, false),
        ("[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"bearer\"\nsecret = \"y\"", 0o644, true),
        ("[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"bearer\"\nsecret = \"${Y}\"", 0o644, false),
    ] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("streamgate.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(Sources { file: FileChoice::Named(path), ..Sources::default() }).unwrap();
        assert_eq!(!loaded.warnings.is_empty(), warned, "{text} {mode:o}");
    }
}

/// A command line, an environment and a settings file `streamgate.toml`.
#[derive(Default)]
struct Setup<'a> {
    file: &'a str,
    environment: &'a [(&'a str, &'a str)],
    flags: &'a [&'a str],
}

impl Setup<'_> {
    fn load(&self) -> Result<Loaded, ConfigError> {
        let args = Args::try_parse_from(["streamgate", "serve"].iter().chain(self.flags)).unwrap();
        let Command::Serve(serve) = args.command else { panic!("serve was asked for") };
        let file = (!self.file.is_empty()).then(|| ("streamgate.toml".into(), self.file.to_owned()));
        let environment = self.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        sources::merge(file, environment, serve.flags.settings())
    }

    fn refusal(&self) -> String {
        self.load().expect_err("this must be refused").to_string()
    }
}

#[test]
fn where_loopback_is_a_proxys_it_is_bounded_as_any_other_address() {
    let limits = Limits { negotiated_per_address: Some(0), ..Limits::default() };
    let (bounded, loopback) = (limits.with_loopback_bounded(), "127.0.0.1".parse().unwrap());
    assert_eq!((limits.auth_failures_of(loopback), limits.connections_of(loopback)), (None, None));
    assert_eq!((bounded.auth_failures_of(loopback), bounded.connections_of(loopback)), (Some(60), Some(2000)));
    assert_eq!(bounded.negotiated_of(loopback), None, "switched off is switched off");
}
