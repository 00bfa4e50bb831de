//! `quix_environment`: what a program on Quix Streams needs in its environment to run against a server.

/// Names and values of the two variables. `url` is the server's, as the program reaches it: `http://localhost:8080`; a path in
/// it would be lost on old clients. Without authentication no token is needed, but clients insist on one.
///
/// `Quix__Broker__Address` and `Quix__Deployment__Id` must stay unset beside them.
pub fn quix_environment(url: &str, token: Option<&str>) -> [(&'static str, String); 2] {
    let url = url.trim_end_matches('/').to_owned();
    [("Quix__Portal__Api", url), ("Quix__Sdk__Token", token.unwrap_or("any").to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_needs_an_address_and_a_token() {
        let wanted = |token: &str| {
            [("Quix__Portal__Api", "http://localhost:8080".to_owned()), ("Quix__Sdk__Token", token.to_owned())]
        };
        assert_eq!(quix_environment("http://localhost:8080/", None), wanted("any"));
        assert_eq!(quix_environment("http://localhost:8080", Some("t")), wanted("t"));
    }
}
