//! Where a value comes from, and what is in force.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

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
fn the_prefix_of_topics_is_the_workspace_where_that_is_asked_for() {
    for (file, prefix) in [
        ("workspace = \"__x\"", ""),
        ("workspace_prefix = true", "local-"),
        ("workspace = \"Acme\"\nworkspace_prefix = true", "acme-"),
    ] {
        assert_eq!(Setup { file, ..Setup::default() }.load().unwrap().config.topic_prefix(), prefix, "{file}");
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
fn a_named_file_must_exist_and_the_default_one_need_not() {
    let missing = PathBuf::from("there-is-no-such-file.toml");
    let named = Sources { file: FileChoice::Named(missing.clone()), ..Sources::default() };
    let sentence = load(named).unwrap_err().to_string();
    assert!(sentence.starts_with("the settings file there-is-no-such-file.toml cannot be read: "), "{sentence}");
    let maybe = Sources { file: FileChoice::IfPresent(missing), ..Sources::default() };
    assert_eq!(load(maybe).unwrap().file, None);
}
