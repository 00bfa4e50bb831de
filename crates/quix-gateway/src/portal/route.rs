//! `Route`: which of the portal's addresses a path is.

use std::borrow::Cow;

use axum::http::Method;

/// An address of Quix's portal, with what stands in it. Workspaces are compared without case: one client writes them small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route<'p> {
    /// `/workspaces`
    Workspaces,
    /// `/workspaces/{ws}`
    Workspace(&'p str),
    /// `/workspaces/{ws}/broker/librdkafka`
    Connection(&'p str),
    /// `/workspaces/{ws}/certificates`
    Certificates(&'p str),
    /// `/{ws}/topics`
    Topics(&'p str),
    /// `/{ws}/topics/{nameOrId}`: what stands behind is decoded, and may be no name of a topic.
    Topic(&'p str, Cow<'p, str>),
    /// `/auth/permissions/query`
    Permission,
    /// Below one of these, but none that is offered.
    Other,
}

impl<'p> Route<'p> {
    /// `None`: the path is not the portal's.
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let (first, rest) = path.strip_prefix('/')?.split_once('/').unwrap_or((path.strip_prefix('/')?, ""));
        match first {
            "workspaces" => Some(Self::of_workspaces(rest)),
            "auth" => Some(if rest == "permissions/query" { Self::Permission } else { Self::Other }),
            // Topics of the HTTP API, of which one may be called so too.
            "topics" | "" => None,
            workspace => match rest.split_once('/') {
                None if rest == "topics" => Some(Self::Topics(workspace)),
                Some(("topics", "")) => Some(Self::Topics(workspace)),
                Some(("topics", topic)) => Some(Self::Topic(workspace, decoded(topic))),
                _ => None,
            },
        }
    }

    fn of_workspaces(rest: &'p str) -> Self {
        let (workspace, below) = rest.split_once('/').unwrap_or((rest, ""));
        match below {
            _ if workspace.is_empty() => {
                if below.is_empty() {
                    Self::Workspaces
                } else {
                    Self::Other
                }
            }
            "" => Self::Workspace(workspace),
            "broker/librdkafka" => Self::Connection(workspace),
            "certificates" => Self::Certificates(workspace),
            _ => Self::Other,
        }
    }

    /// The workspace it is about, if about one.
    pub(super) fn workspace(&self) -> Option<&'p str> {
        match self {
            Self::Workspace(workspace) | Self::Connection(workspace) | Self::Certificates(workspace) => Some(workspace),
            Self::Topics(workspace) | Self::Topic(workspace, _) => Some(workspace),
            Self::Workspaces | Self::Permission | Self::Other => None,
        }
    }

    /// Methods that it takes, as the header `Allow` has them.
    pub(super) fn methods(&self) -> &'static str {
        if matches!(self, Self::Topics(_)) { "GET, HEAD, POST" } else { "GET, HEAD" }
    }

    /// Whether it takes this method.
    pub(super) fn takes(&self, method: &Method) -> bool {
        self.methods().split(", ").any(|taken| taken == method.as_str())
    }

    /// For a metric's label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Workspaces => "workspaces",
            Self::Workspace(_) => "workspace",
            Self::Connection(_) => "librdkafka",
            Self::Certificates(_) => "certificates",
            Self::Topics(_) => "topics",
            Self::Topic(..) => "topic",
            Self::Permission => "permission",
            Self::Other => "other",
        }
    }
}

/// Percent-encoding undone; what is no text, or wrongly encoded, stays as it is: no topic is called so.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &behind[2..]).1,
            None => (bytes.push(*first), rest = behind).1,
        }
    }
    String::from_utf8(bytes).map_or(text.into(), Cow::Owned)
}

/// First parts of paths that are the server's own: a workspace of such a name could not be asked for.
pub const RESERVED_WORKSPACES: [&str; 16] = [
    "topics",
    "workspaces",
    "auth",
    "hub",
    "swagger",
    "openapi",
    "demo",
    "connect",
    "import",
    "health",
    "livez",
    "readyz",
    "healthz",
    "webhooks",
    "metrics",
    "admin",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        let rows = [
            ("/workspaces", Some(Route::Workspaces)),
            ("/workspaces/", Some(Route::Workspaces)),
            ("/workspaces/acme", Some(Route::Workspace("acme"))),
            ("/workspaces/acme/broker/librdkafka", Some(Route::Connection("acme"))),
            ("/workspaces/acme/certificates", Some(Route::Certificates("acme"))),
            ("/workspaces/acme/deployments", Some(Route::Other)),
            ("/workspaces//certificates", Some(Route::Other)),
            ("/auth/permissions/query", Some(Route::Permission)),
            ("/auth/token/details", Some(Route::Other)),
            ("/auth", Some(Route::Other)),
            ("/acme/topics", Some(Route::Topics("acme"))),
            ("/acme/topics/", Some(Route::Topics("acme"))),
            ("/acme/topics/cpu-load", Some(Route::Topic("acme", "cpu-load".into()))),
            ("/acme/topics/changelog__g--t--s", Some(Route::Topic("acme", "changelog__g--t--s".into()))),
            ("/acme/topics/a%2Fb%20%C3%A4", Some(Route::Topic("acme", "a/b ä".into()))),
            ("/acme/topics/a/b", Some(Route::Topic("acme", "a/b".into()))),
            ("/acme/topics/100%", Some(Route::Topic("acme", "100%".into()))),
            ("/acme/topics/%ff", Some(Route::Topic("acme", "%ff".into()))),
            ("/topics", None),
            ("/topics/topics", None),
            ("/topics/topics/streams", None),
            ("/acme/topic", None),
            ("/acme", None),
            ("/hub", None),
            ("//topics", None),
            ("/", None),
            ("", None),
        ];
        for (path, route) in rows {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
