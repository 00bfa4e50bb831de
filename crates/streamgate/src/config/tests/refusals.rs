//! What is refused, in which sentence.

use super::*;

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
            "workspace_prefix = true\nworkspace = \"__acme\"",
            "`workspace` (streamgate.toml:2) cannot begin with '_' while topics' names begin with it (workspace_prefix): Kafka would take them for its own; choose another",
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
            "`webhooks` (streamgate.toml:1) cannot be taken: number 1 (\"/a\") has `secrets`, which is none of path, topic, preset, verify, url, secret, id, tolerance, replay_window, rate, content, stream, key, timestamp, as, event, tags",
        ),
        (
            "[[webhooks]]\npath = \"/a\"\ntopic = \"t\"\npreset = \"none\"\nbody = \"hunter2\"",
            "`webhooks` (streamgate.toml:1) cannot be taken: number 1 (\"/a\") has `body`, which is none of path, topic, preset, verify, url, secret, id, tolerance, replay_window, rate, content, stream, key, timestamp, as, event, tags",
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
            &["--kafka", "a:1"],
            "portal.listen = \"127.0.0.1:8080\"",
            "`listen` (default) and `portal.listen` (streamgate.toml:1) are both 127.0.0.1:8080: give each a port of its own".to_owned(),
        ),
        (
            &[],
            "portal.listen = \"0.0.0.0:8081\"",
            format!("`portal.listen` (streamgate.toml:1) is 0.0.0.0:8081, {NO_AUTHENTICATION}"),
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
