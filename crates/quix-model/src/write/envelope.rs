//! The legacy JSON envelope around a model, as all Quix Streams clients read it.
//!
//! ```text
//! {"C":"JT","K":"EventData[]","V":[{"Timestamp":1700000000123456700,"Tags":{},"Id":"tick","Value":"0"}],"S":32,"E":101}
//!      codec      model           ^ byte 32                                                           ^ byte 101
//! ```

use crate::json;
use crate::model::Model;

/// Appends the envelope; `body` appends the model. Offsets are bytes from the envelope's own beginning.
pub(super) fn append_envelope(out: &mut Vec<u8>, model: Model, body: impl FnOnce(&mut Vec<u8>)) {
    let envelope = out.len();
    out.extend_from_slice(br#"{"C":"JT","K":""#);
    out.extend_from_slice(model.key().as_bytes());
    out.extend_from_slice(br#"","V":"#);
    let start = out.len() - envelope;
    body(out);
    let end = out.len() - envelope;
    out.extend_from_slice(b",\"S\":");
    json::append(out, &start);
    out.extend_from_slice(b",\"E\":");
    json::append(out, &end);
    out.push(b'}');
}
