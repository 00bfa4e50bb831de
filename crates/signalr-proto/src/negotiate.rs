//! The negotiation documents: what a client asks by `POST {hub}/negotiate` and what it is told.

use serde::Serialize;

/// Highest version of the negotiation this crate speaks.
pub const MAX_VERSION: u32 = 1;

/// The answer to a negotiation, always with status 200 and as `application/json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum NegotiateResponse {
    /// Go on with one of these transports.
    #[serde(rename_all = "camelCase")]
    Accepted {
        /// Lower of what the client asked and [`MAX_VERSION`].
        negotiate_version: u32,
        /// Public name of the connection; in version 0 also its secret.
        connection_id: String,
        /// Secret of the connection, the `id` of later requests; left out in version 0.
        #[serde(skip_serializing_if = "Option::is_none")]
        connection_token: Option<String>,
        /// Whether the connection survives a broken websocket. Told only to clients that ask for it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        use_stateful_reconnect: bool,
        /// In order of preference.
        available_transports: Vec<AvailableTransport>,
    },
    /// Refused; the text is shown to the user.
    Refused {
        /// Why.
        error: String,
    },
}

/// One way to carry a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AvailableTransport {
    /// `WebSockets`, `ServerSentEvents` or `LongPolling`.
    pub transport: &'static str,
    /// `Text`, `Binary`.
    pub transfer_formats: &'static [&'static str],
}

/// Transfer format of transports that carry any bytes.
pub const BINARY: &str = "Binary";
const TEXT: &str = "Text";

/// Both directions on one websocket.
pub const WEB_SOCKETS: AvailableTransport =
    AvailableTransport { transport: "WebSockets", transfer_formats: &[TEXT, BINARY] };

/// One response of events, and POST requests.
pub const SERVER_SENT_EVENTS: AvailableTransport =
    AvailableTransport { transport: "ServerSentEvents", transfer_formats: &[TEXT] };

/// Responses to polls, and POST requests.
pub const LONG_POLLING: AvailableTransport =
    AvailableTransport { transport: "LongPolling", transfer_formats: &[TEXT, BINARY] };

/// The version both sides speak, from the client's `negotiateVersion`; absent means 0.
///
/// The error is the text for [`NegotiateResponse::Refused`].
pub fn agree_version(asked: Option<&str>) -> Result<u32, String> {
    match asked.map_or(Ok(0), str::parse::<u32>) {
        Ok(version) => Ok(version.min(MAX_VERSION)),
        Err(_) => Err("The client requested a non-integer protocol version.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_lower_of_both_sides() {
        assert_eq!(agree_version(None), Ok(0));
        assert_eq!(agree_version(Some("0")), Ok(0));
        assert_eq!(agree_version(Some("1")), Ok(1));
        assert_eq!(agree_version(Some("7")), Ok(1));
        assert!(agree_version(Some("one")).is_err());
        assert!(agree_version(Some("-1")).is_err());
    }

    #[test]
    fn documents_have_the_members_clients_look_for() {
        let accepted = NegotiateResponse::Accepted {
            negotiate_version: 1,
            connection_id: "i".into(),
            connection_token: Some("t".into()),
            use_stateful_reconnect: false,
            available_transports: vec![WEB_SOCKETS],
        };
        assert_eq!(
            serde_json::to_string(&accepted).unwrap(),
            r#"{"negotiateVersion":1,"connectionId":"i","connectionToken":"t","availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}"#
        );
        let refused = NegotiateResponse::Refused { error: "no".into() };
        assert_eq!(serde_json::to_string(&refused).unwrap(), r#"{"error":"no"}"#);
    }
}
