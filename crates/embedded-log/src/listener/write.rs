//! Writing the parts of answers as they are, without putting them together.

use std::{
    io::{self, IoSlice},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

/// Why not all was written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// No byte was taken for so long.
    Stalled,
    Io(io::Error),
}

/// Writes all parts and returns how many bytes they are.
pub(super) async fn all(stream: &TcpStream, parts: &mut [Bytes], timeout: Duration) -> Result<usize, WriteError> {
    let (mut parts, mut total) = (parts, 0);
    loop {
        while parts.first().is_some_and(Bytes::is_empty) {
            parts = &mut parts[1..];
        }
        if parts.is_empty() {
            return Ok(total);
        }
        let slices: Vec<_> = parts.iter().take(MAX_SLICES).map(|part| IoSlice::new(part)).collect();
        match stream.try_write_vectored(&slices) {
            Ok(written) => {
                total += written;
                advance(parts, written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match tokio::time::timeout(timeout, stream.writable()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Err(WriteError::Io(error)),
                    Err(_) => return Err(WriteError::Stalled),
                }
            }
            Err(error) => return Err(WriteError::Io(error)),
        }
    }
}

/// Takes away what was written; nothing of a part that is empty then.
fn advance(parts: &mut [Bytes], mut written: usize) {
    for part in parts {
        let here = written.min(part.len());
        part.advance(here);
        written -= here;
        if written == 0 {
            return;
        }
    }
}

const MAX_SLICES: usize = 64;
