//! The handshake: one JSON message each way before anything else, whatever encoding follows.

use serde::Deserialize;

use crate::encoding::Encoding;
use crate::framing::RECORD_SEPARATOR;

/// Highest protocol version accepted. 2 says that the client knows Ack and Sequence. Source: ASP.NET Core 8 and later.
pub const MAX_VERSION: i64 = 2;

/// The server's answer to a request it accepts.
pub const ACCEPTED: &[u8] = b"{}\x1e";

/// Why a handshake failed; the text goes to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// No such encoding here.
    #[error("The protocol '{0}' is not supported.")]
    UnknownProtocol(String),
    /// A newer version than [`MAX_VERSION`].
    #[error("The server does not support version {version} of the '{protocol}' protocol.")]
    UnknownVersion {
        /// As the client wrote it.
        protocol: String,
        /// As the client wrote it.
        version: i64,
    },
    /// Not in time, or too long.
    #[error("Handshake was canceled.")]
    Canceled,
    /// Not a handshake request at all.
    #[error("An unexpected error occurred during connection handshake.")]
    Unreadable(String),
}

#[derive(Deserialize)]
struct Request {
    protocol: String,
    version: i64,
}

#[derive(Deserialize)]
struct Response {
    error: Option<String>,
}

/// Reads a client's request (without separator). Every version up to [`MAX_VERSION`] is accepted, 0 included, as some
/// clients send it.
pub fn read_request(frame: &[u8]) -> Result<Encoding, HandshakeError> {
    let request: Request =
        serde_json::from_slice(frame).map_err(|error| HandshakeError::Unreadable(error.to_string()))?;
    let Some(encoding) = Encoding::by_name(&request.protocol) else {
        return Err(HandshakeError::UnknownProtocol(request.protocol));
    };
    if request.version > MAX_VERSION {
        return Err(HandshakeError::UnknownVersion { protocol: request.protocol, version: request.version });
    }
    Ok(encoding)
}

/// Writes a client's request.
pub fn write_request(encoding: Encoding, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(r#"{{"protocol":"{}","version":1}}"#, encoding.name()).as_bytes());
    out.push(RECORD_SEPARATOR);
}

/// Reads a server's response (without separator); the error is the server's text, or ours if it cannot be read.
pub fn read_response(frame: &[u8]) -> Result<(), String> {
    match serde_json::from_slice::<Response>(frame) {
        Ok(Response { error: None }) => Ok(()),
        Ok(Response { error: Some(error) }) => Err(error),
        Err(error) => Err(format!("not a handshake response: {error}")),
    }
}

/// Writes the response that refuses a request.
pub fn write_refusal(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"error\":");
    crate::encoding::json::write_string(text, out);
    out.extend_from_slice(b"}\x1e");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_clients_write_them() {
        let rows: &[(&str, Result<Encoding, &str>)] = &[
            (r#"{"protocol":"json","version":1}"#, Ok(Encoding::Json)),
            (r#"{"version":0,"protocol":"json"}"#, Ok(Encoding::Json)),
            (r#"{"protocol":"JSON","version":2,"more":{}}"#, Ok(Encoding::Json)),
            (r#"{"protocol":"xml","version":1}"#, Err("The protocol 'xml' is not supported.")),
            (
                r#"{"protocol":"json","version":3}"#,
                Err("The server does not support version 3 of the 'json' protocol."),
            ),
            (r#"{"protocol":"json"}"#, Err("An unexpected error occurred during connection handshake.")),
            (r#"{"version":1}"#, Err("An unexpected error occurred during connection handshake.")),
            ("hello", Err("An unexpected error occurred during connection handshake.")),
            ("", Err("An unexpected error occurred during connection handshake.")),
        ];
        for (text, expected) in rows {
            let read = read_request(text.as_bytes()).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn both_sides_understand_each_other() {
        let mut out = Vec::new();
        write_request(Encoding::Json, &mut out);
        assert_eq!(read_request(&out[..out.len() - 1]), Ok(Encoding::Json));
        assert_eq!(read_response(&ACCEPTED[..2]), Ok(()));
        out.clear();
        write_refusal("no \"x\"", &mut out);
        assert_eq!(read_response(&out[..out.len() - 1]), Err("no \"x\"".to_owned()));
    }
}
