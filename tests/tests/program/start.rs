//! Coming up: the banner, ports that are taken, settings that are wrong, descriptors.

use std::net::TcpListener;

use e2e::program::{Program, failed, path, process, run};
use e2e::wait::until;

use crate::support::{problem, status};

#[tokio::test(flavor = "multi_thread")]
async fn the_banner_says_where_everything_is_and_what_is_insecure() {
    let program = Program::serve(&["--memory"]).await;
    let (banner, url, management) = (&program.banner, &program.url, program.management());
    for expected in [
        &format!("Streamgate {}", env!("CARGO_PKG_VERSION")),
        &format!("{url}/demo/"),
        &format!("{url}/hub"),
        &format!("{management}/metrics"),
        "in memory",
        "without --memory they are kept",
        "insecure",
        "no authentication",
        "create_topics",
        "next: streamgate tail",
        "streamgate serve --kafka HOST:PORT",
    ] {
        assert!(banner.contains(expected), "{expected} is not in {banner}");
    }
    assert!(!banner.contains('\u{1b}'), "no colours but on a terminal");
    for address in [format!("{url}/demo/"), format!("{url}/topics"), format!("{management}/metrics")] {
        assert_eq!(status(&address).await, Some(200), "{address}");
    }
    for (address, said) in [("live", "live\n"), ("ready", "ready\n")] {
        for listener in [url, &management] {
            let response = reqwest::get(format!("{listener}/health/{address}")).await.unwrap();
            assert_eq!(response.text().await.unwrap(), said);
        }
    }
    assert_eq!(status(&format!("{url}/metrics")).await, Some(404), "not on the public port");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_banner_names_what_a_settings_file_makes_insecure() {
    let settings = "detailed_errors = true\nallowed_origins = [\"loopback\", \"https://a.example\"]\n";
    let program = Program::serve_with_settings(settings, &["--create-topics=false"]).await;
    for expected in ["detailed_errors", "allowed_origins", "https://a.example"] {
        assert!(program.banner.contains(expected), "{expected} is not in {}", program.banner);
    }
    assert!(!program.banner.contains("create_topics"), "{}", program.banner);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_one_sentence_with_the_flag_or_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin-listen"] {
        let other = if flag == "--listen" { "--admin-listen" } else { "--listen" };
        let said = failed(&["serve", flag, &address, other, "127.0.0.1:0"], "").await;
        let expected =
            format!("cannot listen on {address}: another program has this port; name another address with {flag}");
        assert_eq!(said, expected);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("portal.listen = \"{address}\"")).unwrap();
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let said = failed(&[&["serve", "--config", file.path().to_str().unwrap()], &ports[..]].concat(), "").await;
    assert!(said.ends_with("; name another address with the setting portal.listen"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_default_port_the_management_is_off_and_said_to_be() {
    // Whoever has it: we, or a program that was there before.
    let _taken = TcpListener::bind("127.0.0.1:9090");
    let program = Program::serve_as_told(&["--listen", "127.0.0.1:0", "--memory"]).await;
    let remark = "another program has 127.0.0.1:9090; choose with --admin-listen";
    assert!(program.banner.contains(remark), "{}", program.banner);
    assert_eq!(status(&format!("{}/health/ready", program.url)).await, Some(200), "it serves all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_one_sentence_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("streamgate.toml");
    let file_name = file.to_str().unwrap();
    for (text, named) in [
        ("lissten = \"127.0.0.1:1\"", vec!["streamgate.toml:1", "`lissten`", "did you mean `listen`?"]),
        ("[limits]\n\nmesage_size = 1", vec!["streamgate.toml:3", "did you mean `limits.message_size`?"]),
        ("[limits]\ndelivery_timeout = \"soon\"", vec!["`limits.delivery_timeout`", "streamgate.toml:2"]),
        ("listen = ", vec!["streamgate.toml:1", "not TOML"]),
        ("listen = \"0.0.0.0:8080\"", vec!["`listen`", "no authentication", "loopback"]),
        ("admin_listen = \"[::]:9090\"", vec!["`admin_listen`", "loopback"]),
    ] {
        std::fs::write(&file, text).unwrap();
        let said = failed(&["serve", "--config", file_name], "").await;
        assert!(named.iter().all(|name| said.contains(name)), "{text}: {said}");
    }
    for (arguments, named) in [
        (&["--listen", "0.0.0.0:0"][..], "flag --listen"),
        (&["--listen", "localhost"], "flag --listen"),
        (&["--memory", "--kafka", "a:1"], "exclude each other"),
        (&["--memory", "--data", "d"], "exclude each other"),
        (&["--kafka", "a:1", "--data", "d"], "exclude each other"),
        (&["--memory", "--kafka-listen", "127.0.0.1:0"], "`kafka_listen` (flag --kafka-listen) and `memory`"),
        (&["--kafka", "a"], "HOST:PORT"),
        (&["--config", "/nowhere.toml"], "/nowhere.toml cannot be read"),
    ] {
        let said = failed(&[&["serve"], arguments].concat(), "").await;
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
    let unknown = run(&["serve", "--lissten", "127.0.0.1:1"], "").await;
    assert_eq!(unknown.status.code(), Some(2), "as all programs do for a wrong command line");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("--listen"));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn readable_secrets_are_warned_of_in_the_log() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    std::fs::write(&file, "[kafka.properties]\n\"sasl.password\" = \"secret-of-the-story\"\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let program = Program::serve(&["--config", file.to_str().unwrap()]).await;
    program.logs("chmod 600").await;
    assert!(!program.log().contains("secret-of-the-story") && !program.banner.contains("secret-of-the-story"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reading_the_banner_does_not_stop_it() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut serve = process();
    let ports = ["serve", "--memory", "--listen", &port.to_string(), "--admin-listen", "127.0.0.1:0"];
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = serve.args(ports).stdout(writer).kill_on_drop(true).spawn().unwrap();
    until("it is ready", async || status(&format!("http://{port}/health/ready")).await == Some(200)).await;
    assert!(child.try_wait().unwrap().is_none(), "it runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_as_many_as_the_descriptors_suffice_for() {
    let limited = |soft: u32, hard: u32| {
        let mut shell = tokio::process::Command::new("bash");
        // Kafka clients of other tests in this process leave their files open to what it starts.
        let command = format!(
            "for file in /proc/$$/fd/*; do file=${{file##*/}}; [ $file -le 2 ] || eval \"exec $file>&-\"; done; \
             ulimit -Sn {soft} && ulimit -Hn {hard} && \
             exec '{}' serve --memory --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0",
            path().display()
        );
        shell.env_clear().current_dir(std::env::temp_dir()).args(["-c", &command]);
        shell
    };
    let program = Program::start(limited(64, 200)).await;
    program.logs("limits.connections is 160, not 50000: 200 files may be open (ulimit -n)").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().collect::<Vec<_>>()[3..5], ["200", "200"], "the soft limit is raised");

    // More connections than that: some are turned away, and when they have gone all is as before.
    let mut held = Vec::new();
    for _ in 0..250 {
        held.extend(tokio::net::TcpStream::connect(program.address()).await);
    }
    until("the limit is met", async || {
        crate::support::metric(&program.management(), "streamgate_limit_hits_total{limit=\"connections\"}").await
            >= 50.0
    })
    .await;
    drop(held);
    until("it answers again", async || status(&format!("{}/topics", program.url)).await == Some(200)).await;
    let refused = reqwest::Client::new().get(format!("{}/topics", program.url)).header("host", "evil.example");
    problem(refused.send().await.unwrap(), 421).await;
}
