//! Bodies of answers, within bounds.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;

use super::FetchError;

/// Source: the server's limits for outgoing requests.
pub(super) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
pub(super) const MAX_RATIO: usize = 100;

/// All of it, decoded.
pub(super) async fn read(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let encoding = response.headers().get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase());
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(FetchError::of)? {
        if body.len() + piece.len() > MAX_BODY_BYTES {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    match encoding.as_deref() {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => gunzip(&body),
        Some(_) => Err(FetchError::Encoding),
    }
}

/// Reads what little an answer to a message says, and leaves what is more.
pub(super) async fn pass_over(mut response: Response) {
    let mut room = PASSED_OVER_BYTES;
    while let Ok(Some(piece)) = response.chunk().await {
        match room.checked_sub(piece.len()) {
            Some(left) => room = left,
            None => return,
        }
    }
}

fn gunzip(packed: &[u8]) -> Result<Vec<u8>, FetchError> {
    let by_ratio = packed.len().saturating_mul(MAX_RATIO);
    let limit = by_ratio.min(MAX_BODY_BYTES);
    let mut body = Vec::new();
    let mut reader = MultiGzDecoder::new(packed).take(limit as u64 + 1);
    reader.read_to_end(&mut body).map_err(|error| FetchError::Damaged(error.to_string()))?;
    match body.len() > limit {
        false => Ok(body),
        true if by_ratio < MAX_BODY_BYTES => Err(FetchError::Inflated),
        true => Err(FetchError::TooLong),
    }
}

const PASSED_OVER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_within_both_bounds() {
        assert_eq!(gunzip(&packed(b"[1, 2]")).unwrap(), b"[1, 2]");
        assert_eq!(gunzip(&packed(&vec![0; 1024 * 1024])), Err(FetchError::Inflated));
        let mut state = 88_172_645_463_325_252_u64;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let long: Vec<u8> = (0..MAX_BODY_BYTES + 1).map(|at| if at < 100_000 { noise() } else { 0 }).collect();
        assert_eq!(gunzip(&packed(&long)), Err(FetchError::TooLong));
        assert!(matches!(gunzip(b"not gzip"), Err(FetchError::Damaged(_))));
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }
}
