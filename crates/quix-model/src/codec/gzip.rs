//! Gzip around a body.

use std::io::Read;

use flate2::bufread::GzDecoder;

use crate::problem::ReadProblem;

/// Inflates one member, never holding more than a byte over the limit.
pub(crate) fn inflate(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, ReadProblem> {
    let mut inflated = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take((max_bytes as u64).saturating_add(1));
    decoder.read_to_end(&mut inflated).map_err(|_| ReadProblem::BadGzip)?;
    if inflated.len() > max_bytes {
        return Err(ReadProblem::InflatedTooLarge);
    }
    Ok(inflated)
}
