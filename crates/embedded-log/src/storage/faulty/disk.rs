//! `Disk`: files as programs see them, as they are durable, and the operations in between.

use std::{collections::BTreeMap, mem};

use super::{Dice, faults::Faults};

/// A folder on a disk with a page cache.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameOperation>,
    pub(super) files: Vec<File>,
    /// Bytes of all files together.
    pub(super) capacity: u64,
    pub(super) faults: Faults,
    /// Of the handles that are in force.
    pub(super) life: u64,
    pub(super) locked: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) content: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<FileOperation>,
    /// What a failed sync forgot to write: the cache has it, the disk may have it, no later sync writes it.
    limbo: Vec<FileOperation>,
}

#[derive(Debug, Clone)]
enum FileOperation {
    Write { position: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone)]
enum NameOperation {
    Create { name: String, file: usize },
    Rename { from: String, to: String, file: usize },
    Remove { name: String },
}

impl Disk {
    pub(super) fn new() -> Self {
        Self {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            files: Vec::new(),
            capacity: 1 << 50,
            faults: Faults::default(),
            life: 0,
            locked: false,
        }
    }

    /// Bytes that files with names take.
    pub(super) fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].content.len() as u64).sum()
    }

    pub(super) fn create(&mut self, name: &str) -> usize {
        let file = self.files.len();
        self.files.push(File::default());
        self.name_operation(NameOperation::Create { name: name.to_owned(), file });
        file
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, file: usize) {
        self.name_operation(NameOperation::Rename { from: from.to_owned(), to: to.to_owned(), file });
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.name_operation(NameOperation::Remove { name: name.to_owned() });
    }

    pub(super) fn sync_names(&mut self) {
        self.durable_names = self.names.clone();
        self.pending_names.clear();
    }

    fn name_operation(&mut self, operation: NameOperation) {
        operation.apply(&mut self.names);
        self.pending_names.push(operation);
    }

    /// What may be left when the power goes.
    pub(super) fn crash(&self, dice: &mut Dice) -> Self {
        let weather = Weather::new(dice);
        let mut names = self.durable_names.clone();
        for operation in &self.pending_names {
            if weather.keeps(dice) {
                operation.apply(&mut names);
            }
        }
        let mut after = Self { capacity: self.capacity, ..Self::new() };
        for (name, file) in names {
            let content = self.files[file].crash(&weather, dice);
            after.names.insert(name, after.files.len());
            after.files.push(File { durable: content.clone(), content, ..File::default() });
        }
        after.durable_names = after.names.clone();
        after
    }

    /// Puts a file there, durable.
    pub(super) fn put(&mut self, name: &str, bytes: Vec<u8>) {
        let file = self.files.len();
        self.files.push(File { durable: bytes.clone(), content: bytes, ..File::default() });
        self.names.insert(name.to_owned(), file);
        self.durable_names.insert(name.to_owned(), file);
    }

    /// The same disk, all of it durable.
    pub(super) fn copy(&self) -> Self {
        let mut copy = Self { capacity: self.capacity, ..Self::new() };
        for (name, file) in &self.names {
            copy.put(name, self.files[*file].content.clone());
        }
        copy
    }
}

impl NameOperation {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create { name, file } => _ = names.insert(name.clone(), *file),
            Self::Rename { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Remove { name } => _ = names.remove(name),
        }
    }
}

impl File {
    pub(super) fn write(&mut self, position: usize, bytes: &[u8]) {
        self.operation(FileOperation::Write { position, bytes: bytes.to_vec() });
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.operation(FileOperation::Length(length));
    }

    fn operation(&mut self, operation: FileOperation) {
        operation.apply(&mut self.content);
        self.pending.push(operation);
    }

    pub(super) fn sync(&mut self) {
        for operation in self.pending.drain(..) {
            operation.apply(&mut self.durable);
            let limbo = mem::take(&mut self.limbo);
            self.limbo = limbo.into_iter().flat_map(|forgotten| forgotten.without(&operation)).collect();
        }
    }

    pub(super) fn fail_sync(&mut self) {
        let forgotten = mem::take(&mut self.pending);
        self.limbo.extend(forgotten);
    }

    fn crash(&self, weather: &Weather, dice: &mut Dice) -> Vec<u8> {
        let mut content = self.durable.clone();
        let mut operations: Vec<_> = self.limbo.iter().chain(&self.pending).collect();
        if weather.reorders {
            dice.shuffle(&mut operations);
        }
        for operation in operations {
            match operation {
                FileOperation::Write { position, bytes } if weather.tears && dice.one_in(2) => {
                    tear(&mut content, *position, bytes, dice);
                }
                operation if weather.keeps(dice) => operation.apply(&mut content),
                _ => {}
            }
        }
        content
    }
}

impl FileOperation {
    /// What may still come of a forgotten write, now that a later operation is durable: what was cut off or written over
    /// does not come back.
    fn without(self, later: &Self) -> Vec<Self> {
        let (position, bytes) = match (self, later) {
            (Self::Write { position, bytes }, _) => (position, bytes),
            (Self::Length(_), Self::Length(_)) => return Vec::new(),
            // A file is as long as what was written into it later and synced.
            (Self::Length(length), Self::Write { position, bytes }) => {
                return vec![Self::Length(length.max(position + bytes.len()))];
            }
        };
        let end = position + bytes.len();
        let part = |from: usize, to: usize| {
            (from < to).then(|| Self::Write { position: from, bytes: bytes[from - position..to - position].to_vec() })
        };
        let rest = match later {
            Self::Length(length) if position < *length => [part(position, end), None],
            Self::Length(_) => [None, None],
            Self::Write { position: start, bytes } => {
                [part(position, end.min(*start)), part(position.max(start + bytes.len()), end)]
            }
        };
        rest.into_iter().flatten().collect()
    }

    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { position, bytes } => {
                let end = position + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*position..end].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(*length, 0),
        }
    }
}

/// A part of the write is on the disk; in the rest stands what was there, zeros or anything. What is written over itself stays.
fn tear(content: &mut Vec<u8>, position: usize, bytes: &[u8], dice: &mut Dice) {
    let mut torn = bytes.to_vec();
    let (kind, cut, rest) = (dice.below(4), dice.below(bytes.len() + 1), dice.below(3));
    let is_kept = |at: usize, dice: &mut Dice| match kind {
        0 => at < cut,
        1 => at >= cut,
        _ => dice.one_in(2),
    };
    let mut at = 0;
    while at < torn.len() {
        // Sectors are kept or lost as a whole; a cut goes through one, too.
        let sector = if kind < 2 { 1 } else { SECTOR - (position + at) % SECTOR };
        let end = (at + sector).min(torn.len());
        if !is_kept(at, dice) {
            for (place, byte) in torn.iter_mut().enumerate().take(end).skip(at) {
                let before = content.get(position + place).copied();
                *byte = match rest {
                    _ if before == Some(*byte) => continue,
                    0 => before.unwrap_or_default(),
                    1 => 0,
                    _ => dice.any() as u8,
                };
            }
        }
        at = end;
    }
    // What is lost at the end need not have lengthened the file.
    if kind == 0 && rest == 0 {
        torn.truncate(cut);
    }
    FileOperation::Write { position, bytes: torn }.apply(content);
}

/// How a crash treats what was not synced.
struct Weather {
    /// Out of four operations.
    kept: usize,
    tears: bool,
    reorders: bool,
}

impl Weather {
    fn new(dice: &mut Dice) -> Self {
        Self { kept: dice.below(5), tears: dice.one_in(2), reorders: dice.one_in(3) }
    }

    fn keeps(&self, dice: &mut Dice) -> bool {
        dice.below(4) < self.kept
    }
}

const SECTOR: usize = 512;
