//! Behind a proxy that is trusted, clients are told apart by what it says of them; whoever else says such things is not believed.

use std::net::Ipv4Addr;

use e2e::program::Program;
use tokio::net::TcpStream;

use crate::addresses::{ELSEWHERE as PROXY, WEBSOCKET, ask, connect, status};
use crate::bearer::{SECRET, token};
use crate::support::metric;

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_those_of_the_client_that_a_trusted_proxy_names() {
    let program = behind_proxy("auth_failures_per_address = 2").await;
    let forged = format!("{}x", token("ann", "read:*"));
    let guess = async |from: &str, headers: &str| {
        let headers = format!("authorization: Bearer {forged}\r\n{headers}");
        status(&ask(&mut connect(&program, from).await, "GET /topics", &headers).await)
    };
    let said_by_client = "x-forwarded-for: 203.0.113.9\r\nx-forwarded-for: 127.0.0.1, 203.0.113.1\r\n";
    for expected in [401, 401, 429] {
        assert_eq!(guess(PROXY, said_by_client).await, expected);
    }
    assert_eq!(guess(PROXY, "forwarded: for=\"203.0.113.1:4711\";proto=https\r\n").await, 429, "it is the same");
    for other in ["x-forwarded-for: 203.0.113.2\r\n", "x-forwarded-for: 203.0.113.1, 203.0.113.3\r\n"] {
        assert_eq!(guess(PROXY, other).await, 401, "another is heard: {other}");
    }
    program.logs(r#""client":"203.0.113.1""#).await;

    for (number, expected) in [(1, 401), (2, 401), (3, 429), (4, 429)] {
        let headers = format!("x-forwarded-for: 203.0.113.10{number}\r\nforwarded: for=203.0.113.10{number}\r\n");
        assert_eq!(guess("127.0.0.1", &headers).await, expected, "whoever is no such proxy is itself");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_has_any_number_of_connections_and_each_client_behind_it_its_own() {
    let program = behind_proxy("connections_per_address = 2").await;
    let good = token("ann", "read:*");
    let websocket = async |client: Ipv4Addr| {
        let mut tcp = connect(&program, PROXY).await;
        let headers = format!("{WEBSOCKET}x-forwarded-for: {client}\r\nauthorization: Bearer {good}\r\n");
        (status(&ask(&mut tcp, "GET /hub", &headers).await), tcp)
    };
    let mut held: Vec<TcpStream> = Vec::new();
    for (last, expected) in [(1, 101), (1, 101), (2, 101), (1, 429), (2, 101), (3, 101), (2, 429)] {
        let (status, tcp) = websocket(Ipv4Addr::new(203, 0, 113, last)).await;
        assert_eq!(status, expected, "client {last}");
        held.push(tcp);
    }
    let hits = "streamgate_limit_hits_total{limit=\"connections_per_address\"}";
    assert_eq!(metric(&program.management(), hits).await, 2.0);
}

async fn behind_proxy(limit: &str) -> Program {
    let settings = format!("trusted_proxies = [\"{PROXY}\"]\n[limits]\n{limit}\n[auth]\nsecret = \"{SECRET}\"\n");
    Program::serve_with_settings(&settings, &["--memory"]).await
}
