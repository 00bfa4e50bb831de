//! `archive`: the certificates of a workspace as Quix's clients take them, a ZIP file with one entry.

/// A ZIP archive whose only entry, `ca.cert`, holds this, uncompressed. Source: PKWARE APPNOTE 6.3, 4.3.
///
/// ```text
/// local header, name, content   PK 03 04
/// directory: header, name       PK 01 02   says the same, and where the local header is: at 0
/// end of the directory          PK 05 06
/// ```
pub(super) fn archive(content: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(26);
    for number in [VERSION, NO_FLAGS, STORED, NO_TIME, DATE] {
        head.extend(number.to_le_bytes());
    }
    let length = content.len() as u32;
    for number in [crc32fast::hash(content.as_bytes()), length, length] {
        head.extend(number.to_le_bytes());
    }
    head.extend((NAME.len() as u16).to_le_bytes());
    head.extend(0u16.to_le_bytes()); // no extra field

    let mut archive = [b"PK\x03\x04", &head[..], NAME.as_bytes(), content.as_bytes()].concat();
    let directory_at = archive.len() as u32;
    archive.extend([b"PK\x01\x02", &VERSION.to_le_bytes()[..], &head].concat());
    archive.extend([0; 14]); // no comment, one volume, no attributes, local header at 0
    archive.extend(NAME.as_bytes());
    let directory_length = archive.len() as u32 - directory_at;
    archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0"); // one volume, one entry
    archive.extend([directory_length.to_le_bytes(), directory_at.to_le_bytes()].concat());
    archive.extend([0; 2]); // no comment
    archive
}

const NAME: &str = "ca.cert";
/// 2.0, which every reader knows.
const VERSION: u16 = 20;
const NO_FLAGS: u16 = 0;
const STORED: u16 = 0;
const NO_TIME: u16 = 0;
/// The first that ZIP can tell: 1 January 1980.
const DATE: u16 = 1 << 5 | 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_tells_where_the_entry_is() {
        let (content, archive) = ("-----BEGIN…", archive("-----BEGIN…"));
        let number = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
        let end = archive.len() - 22;
        let directory = number(end + 16);
        assert_eq!(&archive[end..end + 4], b"PK\x05\x06");
        assert_eq!(directory + number(end + 12), end, "the directory ends where its end begins");
        assert_eq!(&archive[directory..directory + 4], b"PK\x01\x02");
        assert_eq!(number(directory + 16), crc32fast::hash(content.as_bytes()) as usize);
        assert_eq!(&archive[directory + 46..end], NAME.as_bytes());
        let local = number(directory + 42);
        assert_eq!(&archive[local..local + 4], b"PK\x03\x04");
        assert_eq!(&archive[local + 30 + NAME.len()..directory], content.as_bytes());
    }
}
