//! `Visitor`: who a call or request is of, as far as topics are concerned: for which workspace, and with what rights.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use access::{Grant, Right};

use crate::replays::Client;

/// Who asks. The server puts one into the extensions of each request that is more than anybody's; of a connection, that
/// of its first request counts. Cheap to clone.
#[derive(Clone, Default)]
pub struct Visitor {
    workspace: Option<Arc<str>>,
    address: Option<IpAddr>,
    rights: Rights,
    kept: Option<Arc<dyn Any + Send + Sync>>,
}

#[derive(Debug, Clone, Default)]
enum Rights {
    /// There is no authentication.
    #[default]
    Everything,
    /// There is, and nothing was granted.
    Nothing,
    Granted(Arc<Grant>),
}

impl Visitor {
    /// Anybody, where nobody is asked for a token: may do everything, in the configured workspace.
    pub const fn anybody() -> Self {
        Self { workspace: None, address: None, rights: Rights::Everything, kept: None }
    }

    /// Somebody who may do nothing.
    pub const fn nobody() -> Self {
        Self { workspace: None, address: None, rights: Rights::Nothing, kept: None }
    }

    /// The bearer of a token that grants this.
    pub fn granted(grant: Arc<Grant>) -> Self {
        Self { rights: Rights::Granted(grant), ..Self::default() }
    }

    /// The same in another workspace than the configured one.
    pub fn in_workspace(mut self, workspace: &str) -> Self {
        self.workspace = Some(workspace.into());
        self
    }

    /// The same at this address, by which they are told apart from others where nobody has a token.
    pub fn at(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The same, with something that is to stay for as long as the visitor does.
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.kept = Some(Arc::new(kept));
        self
    }

    /// What a token grants them; `None`: they need none, or have none.
    pub fn grant(&self) -> Option<&Arc<Grant>> {
        match &self.rights {
            Rights::Granted(grant) => Some(grant),
            Rights::Everything | Rights::Nothing => None,
        }
    }

    /// Whether they may subscribe to, and see, the topic of this name; ids are to be resolved to names before.
    pub fn may_read(&self, topic: &str) -> bool {
        self.may(Right::Read, topic)
    }

    /// Whether they may write to the topic of this name.
    pub fn may_write(&self, topic: &str) -> bool {
        self.may(Right::Write, topic)
    }

    /// Whether they may know that the topic of this name exists.
    pub fn may_see(&self, topic: &str) -> bool {
        self.may_read(topic) || self.may_write(topic)
    }

    /// Whether they may be told how to reach Kafka.
    pub fn may_use_kafka(&self) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Nothing => false,
            Rights::Granted(grant) => grant.scopes.kafka,
        }
    }

    /// Whether they may make topics, by use or by asking.
    pub fn may_create_topics(&self) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Nothing => false,
            Rights::Granted(grant) => grant.scopes.create_topics,
        }
    }

    /// The workspace of their topic ids, if it is not the configured one.
    pub(crate) fn workspace(&self) -> Option<&str> {
        self.workspace.as_deref()
    }

    /// Whose reads are counted together.
    pub(crate) fn client(&self) -> Client {
        match (self.grant(), self.address) {
            (Some(grant), _) => grant.subject.clone().map_or(Client::Token(grant.digest), Client::User),
            (None, Some(address)) => Client::Address(address),
            (None, None) => Client::Unknown,
        }
    }

    pub(crate) fn may(&self, right: Right, topic: &str) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Nothing => false,
            Rights::Granted(grant) => grant.scopes.allow(right, topic),
        }
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut visitor = formatter.debug_struct("Visitor");
        visitor.field("workspace", &self.workspace).field("rights", &self.rights).finish_non_exhaustive()
    }
}

/// The workspace that a host name names, with or without a port: of `writer-WORKSPACE.…` and `reader-WORKSPACE.…`, in
/// small letters. Source: Quix Streaming APIs, "Setup".
pub fn workspace_of_host(host: &str) -> Option<String> {
    let name = host.split([':', '.']).next().unwrap_or_default();
    let (role, workspace) = name.split_at_checked("writer-".len())?;
    let is_role = role.eq_ignore_ascii_case("writer-") || role.eq_ignore_ascii_case("reader-");
    let is_one = (1..=MAX_WORKSPACE_BYTES).contains(&workspace.len())
        && workspace.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    (is_role && is_one).then(|| workspace.to_ascii_lowercase())
}

/// Leaves room for the name in a topic id of 249 bytes.
const MAX_WORKSPACE_BYTES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_workspaces_as_quix_does() {
        for (host, workspace) in [
            ("writer-org-project-env.platform.quix.ai", Some("org-project-env")),
            ("reader-org-project-env.cloud.quix.io:443", Some("org-project-env")),
            ("Writer-Org.localhost:8080", Some("org")),
            ("writer-org", Some("org")),
            ("writer-org:80", Some("org")),
            ("writer-.quix.io", None),
            ("writer.quix.io", None),
            ("my-writer-org.quix.io", None),
            ("localhost:8080", None),
            ("[::1]:80", None),
            ("", None),
        ] {
            assert_eq!(workspace_of_host(host).as_deref(), workspace, "{host}");
        }
        assert_eq!(workspace_of_host(&format!("writer-{}.x", "w".repeat(101))), None);
    }
}
