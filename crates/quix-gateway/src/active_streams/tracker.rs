//! `Tracker`: which streams live in a topic. A state machine: signs of life and times in, changes out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use quix_model::Data;

use super::form::{self, Listed};
use super::sign::Sign;
use super::stream::{Status, Stream};

/// The streams of one topic. Times are milliseconds of a [`Clock`](super::clock::Clock), and those
/// of what was seen may lie anywhere.
///
/// Call [`see`](Self::see) for each record, [`look_back_over`](Self::look_back_over) once the records are new ones,
/// [`tick`](Self::tick) at [`next_due`](Self::next_due), and after each turn of these [`drain`](Self::drain). What
/// `drain` has told so far, one change laid over the other, is what [`list`](Self::list) shows, but for times.
#[derive(Debug)]
pub(crate) struct Tracker {
    rules: Rules,
    allowed: Load,
    entries: HashMap<u64, Entry>,
    numbers: HashMap<Arc<str>, u64>,
    last_number: u64,
    /// When to look at an entry again, or earlier.
    agenda: BTreeSet<(i64, u64)>,
    /// Entries by when they were seen last, or earlier.
    by_age: BTreeSet<(i64, u64)>,
    changes: Vec<Untold>,
    bytes: usize,
    crowded_out: u64,
    looks_back: bool,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// After its last data a stream is idle.
    pub(crate) idle_after: i64,
    /// After its last sign of life it is gone.
    pub(crate) silent_after: i64,
    /// Between updates that tell nothing but times.
    pub(crate) update_interval: i64,
    /// Of a stream's id; a longer one is passed over.
    pub(crate) max_name_bytes: usize,
}

/// What is tracked, or may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) streams: usize,
    pub(crate) bytes: usize,
}

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is new, or something about it is.
    AddUpdate,
    /// It has left.
    Remove,
}

#[derive(Debug)]
struct Entry {
    stream: Stream,
    told: Option<Told>,
    /// Its times have changed since they were told.
    is_stale: bool,
    /// Among the changes.
    is_untold: bool,
    /// Its place in the agenda.
    due: Option<i64>,
    /// Its place by age.
    age: i64,
    bytes: usize,
    /// In a list, once one was made since it changed.
    json_bytes: Option<usize>,
}

/// How a stream was told last.
#[derive(Debug, Clone, Copy)]
struct Told {
    at: i64,
    status: Status,
}

#[derive(Debug)]
enum Untold {
    Update(u64),
    Removal(Stream),
}

impl Tracker {
    /// Of a topic whose past is looked at first.
    pub(crate) fn new(rules: Rules, allowed: Load) -> Self {
        Self {
            rules,
            allowed,
            entries: HashMap::new(),
            numbers: HashMap::new(),
            last_number: 0,
            agenda: BTreeSet::new(),
            by_age: BTreeSet::new(),
            changes: Vec::new(),
            bytes: 0,
            crowded_out: 0,
            looks_back: true,
        }
    }

    /// Takes a sign of a stream that came at `seen_at`: now, or before in the look back. `false`: its id is too long.
    pub(crate) fn see(&mut self, id: &str, sign: Sign<'_>, seen_at: i64, now: i64) -> bool {
        if id.len() > self.rules.max_name_bytes {
            return false;
        }
        if let Sign::Model(Data::StreamEnd(_)) = sign {
            if let Some(number) = self.numbers.get(id).copied() {
                self.remove(number);
            }
            return true;
        }
        let number = self.number_of(id, seen_at);
        let Some(entry) = self.entries.get_mut(&number) else { return true };
        let news = entry.stream.learn(sign, seen_at);
        if news {
            let bytes = entry.stream.bytes();
            self.bytes = self.bytes + bytes - entry.bytes;
            (entry.bytes, entry.json_bytes) = (bytes, None);
        }
        entry.is_stale = true;
        if !entry.is_silent(now, &self.rules) && (news || entry.is_news(now, &self.rules)) {
            entry.queue(number, &mut self.changes);
        } else {
            self.put_on_agenda(number);
        }
        self.crowd_out();
        true
    }

    /// All partitions are read up to what is new: streams that have been silent for long will not speak up.
    pub(crate) fn look_back_over(&mut self, now: i64) {
        self.looks_back = false;
        let numbers: Vec<_> = self.entries.keys().copied().collect();
        for number in numbers {
            if self.entries.get(&number).is_some_and(|entry| entry.is_silent(now, &self.rules)) {
                self.remove(number);
            } else {
                self.put_on_agenda(number);
            }
        }
    }

    /// Does what time brings: streams become idle, leave, and tell times that they kept back.
    pub(crate) fn tick(&mut self, now: i64) {
        while let Some((due, number)) = self.agenda.first().copied()
            && due <= now
        {
            self.agenda.pop_first();
            let Some(entry) = self.entries.get_mut(&number) else { continue };
            entry.due = None;
            if !self.looks_back && entry.is_silent(now, &self.rules) {
                self.remove(number);
            } else if entry.is_news(now, &self.rules) {
                entry.queue(number, &mut self.changes);
            } else {
                self.put_on_agenda(number);
            }
        }
    }

    /// When [`tick`](Self::tick) may have something to do.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.agenda.first().map(|(due, _)| *due)
    }

    /// Bounds what is tracked from now on; the least recently seen leave.
    pub(crate) fn allow(&mut self, allowed: Load) {
        self.allowed = allowed;
        self.crowd_out();
    }

    /// Tells the changes since the last call, in order, each stream's latest state.
    pub(crate) fn drain(&mut self, now: i64, mut tell: impl FnMut(&Stream, Status, Action)) {
        for change in std::mem::take(&mut self.changes) {
            match change {
                Untold::Update(number) => {
                    // It may have left since, without a word if it was not told before.
                    let Some(entry) = self.entries.get_mut(&number) else { continue };
                    let status = entry.stream.status(now, self.rules.idle_after);
                    tell(&entry.stream, status, Action::AddUpdate);
                    (entry.is_untold, entry.is_stale) = (false, false);
                    entry.told = Some(Told { at: now, status });
                    self.put_on_agenda(number);
                }
                Untold::Removal(stream) => {
                    tell(&stream, stream.status(now, self.rules.idle_after), Action::Remove);
                }
            }
        }
    }

    /// The streams that are active now, in the order of first sight.
    pub(crate) fn list(&mut self, now: i64, shift: i64) -> Vec<Listed> {
        let rules = self.rules;
        let mut listed: Vec<_> = self.entries.iter_mut().filter(|(_, entry)| entry.is_listed(now, &rules)).collect();
        listed.sort_unstable_by_key(|(number, _)| **number);
        let listed = listed.into_iter().map(|(_, Entry { stream, json_bytes, .. })| Listed {
            status: stream.status(now, rules.idle_after),
            shift,
            json_bytes: *json_bytes.get_or_insert_with(|| form::json_bytes(stream)),
            stream: stream.clone(),
        });
        listed.collect()
    }

    /// All streams leave.
    pub(crate) fn clear(&mut self) {
        let mut numbers: Vec<_> = self.entries.keys().copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().for_each(|number| self.remove(number));
    }

    /// How many they are.
    pub(crate) fn active(&self, now: i64) -> usize {
        self.entries.values().filter(|entry| entry.is_listed(now, &self.rules)).count()
    }

    /// What is tracked, listed or not.
    pub(crate) fn load(&self) -> Load {
        Load { streams: self.entries.len(), bytes: self.bytes }
    }

    /// Entries of all its indexes.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.numbers.len() + self.by_age.len() + self.agenda.len()
    }

    /// Streams that had to leave for want of room since the last call.
    pub(crate) fn take_crowded_out(&mut self) -> u64 {
        std::mem::take(&mut self.crowded_out)
    }

    fn number_of(&mut self, id: &str, seen_at: i64) -> u64 {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        self.last_number += 1;
        let (number, id) = (self.last_number, Arc::<str>::from(id));
        self.numbers.insert(id.clone(), number);
        let stream = Stream::new(id, seen_at);
        let bytes = stream.bytes();
        self.bytes += bytes;
        self.by_age.insert((seen_at, number));
        let (told, age) = (None, seen_at);
        let entry = Entry { stream, told, is_stale: false, is_untold: false, due: None, age, bytes, json_bytes: None };
        self.entries.insert(number, entry);
        number
    }

    fn remove(&mut self, number: u64) {
        let Some(entry) = self.entries.remove(&number) else { return };
        self.numbers.remove(&entry.stream.id);
        self.by_age.remove(&(entry.age, number));
        if let Some(due) = entry.due {
            self.agenda.remove(&(due, number));
        }
        self.bytes -= entry.bytes;
        if entry.told.is_some() {
            self.changes.push(Untold::Removal(entry.stream));
        }
    }

    /// Moves an entry's place in the agenda where something of it is due earlier.
    fn put_on_agenda(&mut self, number: u64) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let Some(due) = entry.next_due(&self.rules, self.looks_back) else { return };
        if let Some(planned) = entry.due {
            if planned <= due {
                return;
            }
            self.agenda.remove(&(planned, number));
        }
        entry.due = Some(due);
        self.agenda.insert((due, number));
    }

    fn crowd_out(&mut self) {
        while (self.entries.len() > self.allowed.streams || self.bytes > self.allowed.bytes)
            && let Some((age, number)) = self.by_age.first().copied()
        {
            let Some(entry) = self.entries.get_mut(&number) else { return };
            if entry.stream.last_seen > age {
                // Its place was of an earlier sight.
                self.by_age.pop_first();
                entry.age = entry.stream.last_seen;
                self.by_age.insert((entry.age, number));
            } else {
                self.crowded_out += 1;
                self.remove(number);
            }
        }
    }
}

impl Entry {
    fn is_listed(&self, now: i64, rules: &Rules) -> bool {
        self.told.is_some() && !self.is_silent(now, rules)
    }

    fn is_silent(&self, now: i64, rules: &Rules) -> bool {
        now >= self.stream.last_seen.saturating_add(rules.silent_after)
    }

    /// Whether it is to be told now, apart from what was learned of it.
    fn is_news(&self, now: i64, rules: &Rules) -> bool {
        match self.told {
            None => !self.is_silent(now, rules),
            Some(told) => {
                let may_be_told = !(0..rules.update_interval).contains(&now.saturating_sub(told.at));
                told.status != self.stream.status(now, rules.idle_after) || self.is_stale && may_be_told
            }
        }
    }

    fn queue(&mut self, number: u64, changes: &mut Vec<Untold>) {
        if !std::mem::replace(&mut self.is_untold, true) {
            changes.push(Untold::Update(number));
        }
    }

    fn next_due(&self, rules: &Rules, looks_back: bool) -> Option<i64> {
        let silent = (!looks_back).then(|| self.stream.last_seen.saturating_add(rules.silent_after));
        let Some(told) = self.told else { return silent };
        let update = self.is_stale.then(|| told.at.saturating_add(rules.update_interval));
        let last_data = self.stream.last_data.filter(|_| told.status == Status::Receiving);
        let idle = last_data.map(|at| at.saturating_add(rules.idle_after));
        [silent, update, idle].into_iter().flatten().min()
    }
}
