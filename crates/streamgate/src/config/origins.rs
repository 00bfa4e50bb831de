//! Web origins whose pages may use the server.

use serde::{Deserialize, Serialize};

/// One entry of `allowed_origins`. Compared exactly, never by part; requests without `Origin` are not from a browser page
/// and not judged by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AllowedOrigin {
    /// `auto`: any with authentication, else as `loopback`.
    Auto,
    /// `*`: any. Only with authentication.
    Any,
    /// `loopback`: `localhost`, `127.0.0.0/8` and `[::1]`, http and https, any port.
    Loopback,
    /// `null`: pages opened from a file, sandboxed frames. Any page can make one.
    Null,
    /// `scheme://host[:port]`, in the form browsers send: lower case, without a default port.
    Exact(String),
}

impl TryFrom<String> for AllowedOrigin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "*" => Ok(Self::Any),
            "loopback" => Ok(Self::Loopback),
            "null" => Ok(Self::Null),
            _ => exact(&text).map(Self::Exact).ok_or_else(|| format!("{NO_ORIGIN}, not {text:?}")),
        }
    }
}

impl From<AllowedOrigin> for String {
    fn from(origin: AllowedOrigin) -> Self {
        match origin {
            AllowedOrigin::Auto => "auto".to_owned(),
            AllowedOrigin::Any => "*".to_owned(),
            AllowedOrigin::Loopback => "loopback".to_owned(),
            AllowedOrigin::Null => "null".to_owned(),
            AllowedOrigin::Exact(origin) => origin,
        }
    }
}

fn exact(text: &str) -> Option<String> {
    let (_, host) = text.split_once("://")?;
    let host = host.strip_suffix('/').unwrap_or(host);
    if host.is_empty() || host.contains(['/', '?', '#', '@', '*']) {
        return None;
    }
    let url = reqwest::Url::parse(text).ok()?;
    match url.scheme() {
        "http" | "https" => Some(url.origin().ascii_serialization()),
        // Pages of desktop and phone shells (`tauri://localhost`): an opaque origin by the URL rules, sent as written.
        scheme => Some(format!("{scheme}://{}", host.to_lowercase())),
    }
}

const NO_ORIGIN: &str =
    "must hold origins such as \"https://app.example.com\" (no path), \"auto\", \"loopback\", \"null\" or \"*\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalised_or_refused() {
        for (text, expected) in [
            ("loopback", Some("loopback")),
            ("null", Some("null")),
            ("https://App.Example.com", Some("https://app.example.com")),
            ("https://app.example.com:443/", Some("https://app.example.com")),
            ("http://app.example.com:8080", Some("http://app.example.com:8080")),
            ("tauri://localhost", Some("tauri://localhost")),
            ("*", Some("*")),
            ("auto", Some("auto")),
            ("https://*.example.com", None),
            ("https://app.example.com/page", None),
            ("https://me@app.example.com", None),
            ("app.example.com", None),
            ("https://", None),
            ("", None),
        ] {
            let parsed = AllowedOrigin::try_from(text.to_owned()).ok().map(String::from);
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }
}
