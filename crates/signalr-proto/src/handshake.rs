//! The handshake: one JSON message each way before anything else, whatever encoding follows.

use serde::Deserialize;

use crate::encoding::{Encoding, TransferFormat};
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
    /// A binary encoding where only text can be carried.
    #[error(
        "Cannot use the '{0}' protocol on the current transport. The transport does not support 'Binary' transfer format."
    )]
    TextOnly(&'static str),
    /// Not in time, or too long.
    #[error("Handshake was canceled.")]
    Canceled,
    /// Not a handshake request at all.
    #[error("An unexpected error occurred during connection handshake.")]
    Unreadable(String),
}

/// What a client asked for and gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How messages are written from here on.
    pub encoding: Encoding,
    /// Version of the protocol, from 0 to [`MAX_VERSION`].
    pub version: i64,
}

/// What a server takes.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// Any of these.
    pub encodings: &'a [Encoding],
    /// The most the transport can carry.
    pub transfer_format: TransferFormat,
}

#[derive(Deserialize)]
struct RequestDocument {
    protocol: String,
    version: i64,
}

#[derive(Deserialize)]
struct Response {
    error: Option<String>,
}

/// Reads a client's request (without separator). Every version up to [`MAX_VERSION`] is accepted, 0 included, as some
/// clients send it; lower ones count as 0.
pub fn read_request(frame: &[u8], offer: Offer<'_>) -> Result<Request, HandshakeError> {
    let RequestDocument { protocol, version } =
        serde_json::from_slice(frame).map_err(|error| HandshakeError::Unreadable(error.to_string()))?;
    let Some(encoding) = Encoding::by_name(&protocol).filter(|encoding| offer.encodings.contains(encoding)) else {
        return Err(HandshakeError::UnknownProtocol(protocol));
    };
    if version > MAX_VERSION {
        return Err(HandshakeError::UnknownVersion { protocol, version });
    }
    if (encoding.transfer_format(), offer.transfer_format) == (TransferFormat::Binary, TransferFormat::Text) {
        return Err(HandshakeError::TextOnly(encoding.name()));
    }
    Ok(Request { encoding, version: version.max(0) })
}

/// Writes a client's request.
pub fn write_request(Request { encoding, version }: Request, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(r#"{{"protocol":"{}","version":{version}}}"#, encoding.name()).as_bytes());
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

    const ANY: Offer<'_> = Offer { encodings: Encoding::ALL, transfer_format: TransferFormat::Binary };

    fn agreed(encoding: Encoding, version: i64) -> Result<Request, &'static str> {
        Ok(Request { encoding, version })
    }

    #[test]
    fn requests_are_read_as_clients_write_them() {
        let rows: &[(&str, Result<Request, &str>)] = &[
            (r#"{"protocol":"json","version":1}"#, agreed(Encoding::Json, 1)),
            (r#"{"version":0,"protocol":"json"}"#, agreed(Encoding::Json, 0)),
            (r#"{"version":-1,"protocol":"json"}"#, agreed(Encoding::Json, 0)),
            (r#"{"protocol":"JSON","version":2,"more":{}}"#, agreed(Encoding::Json, 2)),
            (r#"{"protocol":"messagepack","version":1}"#, agreed(Encoding::MessagePack, 1)),
            (r#"{"protocol":"MessagePack","version":2}"#, agreed(Encoding::MessagePack, 2)),
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
            let read = read_request(text.as_bytes(), ANY).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        let request = br#"{"protocol":"MessagePack","version":1}"#;
        let text_only = Offer { transfer_format: TransferFormat::Text, ..ANY };
        assert_eq!(
            read_request(request, text_only).unwrap_err().to_string(),
            "Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' \
             transfer format."
        );
        assert!(read_request(br#"{"protocol":"json","version":1}"#, text_only).is_ok());
        let json_only = Offer { encodings: &[Encoding::Json], ..ANY };
        assert_eq!(
            read_request(request, json_only).unwrap_err().to_string(),
            "The protocol 'MessagePack' is not supported."
        );
    }

    #[test]
    fn both_sides_understand_each_other() {
        let mut out = Vec::new();
        for encoding in Encoding::ALL.iter().copied() {
            let request = Request { encoding, version: 2 };
            out.clear();
            write_request(request, &mut out);
            assert_eq!(read_request(&out[..out.len() - 1], ANY), Ok(request));
        }
        assert_eq!(read_response(&ACCEPTED[..2]), Ok(()));
        out.clear();
        write_refusal("no \"x\"", &mut out);
        assert_eq!(read_response(&out[..out.len() - 1]), Err("no \"x\"".to_owned()));
    }
}
