//! MessagePack's scalars and heads, each in its shortest form, appended to a buffer; and lengths that are known only
//! afterwards.

use rmp::encode as rmp;

/// There is always room, so rmp's errors cannot occur.
macro_rules! append {
    ($written:expr) => {
        $written.map(drop).expect("there is room")
    };
}

pub(super) fn nil(out: &mut Vec<u8>) {
    append!(rmp::write_nil(out));
}

pub(super) fn boolean(value: bool, out: &mut Vec<u8>) {
    append!(rmp::write_bool(out, value));
}

pub(super) fn unsigned(value: u64, out: &mut Vec<u8>) {
    append!(rmp::write_uint(out, value));
}

pub(super) fn signed(value: i64, out: &mut Vec<u8>) {
    append!(rmp::write_sint(out, value));
}

pub(super) fn f32(value: f32, out: &mut Vec<u8>) {
    append!(rmp::write_f32(out, value));
}

pub(super) fn f64(value: f64, out: &mut Vec<u8>) {
    append!(rmp::write_f64(out, value));
}

pub(super) fn array_head(count: u32, out: &mut Vec<u8>) {
    append!(rmp::write_array_len(out, count));
}

pub(super) fn map_head(count: u32, out: &mut Vec<u8>) {
    append!(rmp::write_map_len(out, count));
}

/// # Panics
/// If it is longer than the 4 GiB that MessagePack can say, as the others here.
pub(super) fn text(value: &str, out: &mut Vec<u8>) {
    append!(rmp::write_str_len(out, length(value.as_bytes())));
    out.extend_from_slice(value.as_bytes());
}

pub(super) fn bin(value: &[u8], out: &mut Vec<u8>) {
    append!(rmp::write_bin_len(out, length(value)));
    out.extend_from_slice(value);
}

pub(super) fn extension(kind: i8, data: &[u8], out: &mut Vec<u8>) {
    append!(rmp::write_ext_meta(out, length(data), kind));
    out.extend_from_slice(data);
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("MessagePack holds no value of 4 GiB")
}

/// Begins a container whose size is not known, and tells where; [`close_array`] or [`close_map`] completes it.
pub(super) fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len() - 1
}

pub(super) fn close_array(start: usize, count: u32, out: &mut Vec<u8>) {
    let mut head = [0; LONGEST_HEAD];
    let mut room = &mut head[..];
    append!(rmp::write_array_len(&mut room, count));
    let used = LONGEST_HEAD - room.len();
    put_head(start, &head[..used], out);
}

pub(super) fn close_map(start: usize, count: u32, out: &mut Vec<u8>) {
    let mut head = [0; LONGEST_HEAD];
    let mut room = &mut head[..];
    append!(rmp::write_map_len(&mut room, count));
    let used = LONGEST_HEAD - room.len();
    put_head(start, &head[..used], out);
}

/// Writes a head over the one byte kept for it, moving what follows if it needs more.
pub(super) fn put_head(start: usize, head: &[u8], out: &mut Vec<u8>) {
    let (end, more) = (out.len(), head.len() - 1);
    if more > 0 {
        out.resize(end + more, 0);
        out.copy_within(start + 1..end, start + 1 + more);
    }
    out[start..start + head.len()].copy_from_slice(head);
}

const LONGEST_HEAD: usize = 5;
