//! The `format` file: says that a folder is a log, in which version, and what marks its commit groups.

use std::{io, path::Path};

use crate::{
    error::OpenError,
    storage::{Storage, read_whole, write_all},
};

/// What a folder says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// Begins every commit group of this log. Random and told to nobody: no client can write bytes that look like a group.
    pub(crate) mark: [u8; 8],
    /// Tells this log from every other.
    id: [u8; 8],
}

/// Name of the file.
pub(crate) const FILE: &str = "format";

/// Its name while the log is being made.
pub(crate) const NEW_FILE: &str = "format.new";

/// The version written and known.
const VERSION: u32 = 1;

impl Format {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let (mut mark, mut id) = ([0; 8], [0; 8]);
        getrandom::fill(&mut mark)?;
        getrandom::fill(&mut id)?;
        Ok(Self { mark, id })
    }

    /// Writes it under the name [`NEW_FILE`]: whoever makes a log renames it last, so that who finds it finds a whole log.
    pub(crate) fn write_new(self, storage: &dyn Storage) -> io::Result<()> {
        let mut text = format!("{MAGIC}{VERSION}\nid {}\nmark {}\n", hexadecimal(self.id), hexadecimal(self.mark));
        text += &checksum_line(&text);
        let file = storage.create(NEW_FILE)?;
        write_all(&*file, text.as_bytes(), 0)?;
        file.sync()?;
        storage.sync_folder() // before any segment: one without this file beside it would be part of a log that lost it
    }

    /// Tells this log from every other.
    pub(crate) fn id(self) -> String {
        hexadecimal(self.id)
    }

    pub(crate) fn read(storage: &dyn Storage) -> Result<Self, OpenError> {
        let path = storage.path().join(FILE);
        let bytes = storage.open(FILE).and_then(|file| read_whole(&*file));
        Self::parse(&bytes.map_err(|error| OpenError::Io { path, error })?, &storage.path())
    }

    /// Of the bytes of the file in `folder`.
    pub(crate) fn parse(bytes: &[u8], folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE);
        let damaged =
            |problem: &str| OpenError::Damaged { file: path.clone(), position: 0, problem: problem.to_owned() };

        let text = str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
        let (version, rest) = text
            .strip_prefix(MAGIC)
            .and_then(|text| text.split_once('\n'))
            .ok_or_else(|| damaged("it does not begin with 'embedded-log' and a version"))?;
        if version != VERSION.to_string() {
            let found = version.chars().take(40).filter(|c| !c.is_control()).collect();
            return Err(OpenError::Version { folder: folder.to_owned(), found, known: VERSION });
        }
        let checked = rest.rsplit_once(CHECKSUM).map(|(_, checksum)| text.len() - checksum.len() - CHECKSUM.len());
        let sound = checked.is_some_and(|end| text[end..] == checksum_line(&text[..end]));
        let mut lines = rest.lines();
        let mut field = |name: &str| {
            let digits = lines.next()?.strip_prefix(name)?;
            Some(u64::from_str_radix(digits, 16).ok()?.to_be_bytes())
        };
        match (sound, field("id "), field("mark ")) {
            (true, Some(id), Some(mark)) => Ok(Self { mark, id }),
            (false, ..) => Err(damaged("its checksum is wrong")),
            _ => Err(damaged("its lines are not version, id, mark and checksum")),
        }
    }
}

fn hexadecimal(bytes: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// Ends the file: CRC-32C of all before it.
fn checksum_line(text: &str) -> String {
    format!("{CHECKSUM}{:08x}\n", crc32c::crc32c(text.as_bytes()))
}

const MAGIC: &str = "embedded-log ";
const CHECKSUM: &str = "checksum ";
