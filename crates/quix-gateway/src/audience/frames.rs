//! `Frames`: callbacks gathered for the audiences of a topic, each encoded once, and one frame for all that get the same.

use std::collections::HashMap;
use std::ops::Range;

use serde::Serialize;
use signalr_server::{Encoding, Frame, FrameBuilder};

use super::groups::Slot;

/// Callbacks on their way. What it holds between [`take`](Self::take)s is only room to use again.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// By number of the encoding.
    sheets: [Option<Sheet>; ENCODINGS],
    /// By slot.
    shares: Vec<Share>,
    /// Audiences whose share is not empty.
    concerned: Vec<Slot>,
    /// Bytes of the largest share.
    largest: usize,
    encoded: u64,
}

/// All callbacks in one encoding, one behind the other.
#[derive(Debug)]
struct Sheet {
    encoding: Encoding,
    frame: FrameBuilder,
    callbacks: Vec<Range<usize>>,
}

/// What an audience gets.
#[derive(Debug, Default)]
struct Share {
    /// Places in the sheet of its encoding.
    callbacks: Vec<usize>,
    bytes: usize,
}

/// A callback for whoever is given it: encoded when the first is, once per encoding.
#[derive(Debug)]
pub(crate) struct Callback<'a, A> {
    target: &'static str,
    argument: &'a A,
    /// Its place in the sheet of each encoding; `None` inside where it could not be encoded.
    places: [Option<Option<usize>>; ENCODINGS],
}

/// Frames and who gets them.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) frames: Vec<Frame>,
    pub(crate) parcels: Vec<Parcel>,
}

/// One audience's part of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) audience: Slot,
    /// Place of its frame.
    pub(crate) frame: usize,
    /// Number of callbacks in it.
    pub(crate) callbacks: usize,
}

impl<'a, A: Serialize> Callback<'a, A> {
    pub(crate) fn new(target: &'static str, argument: &'a A) -> Self {
        Self { target, argument, places: [None; ENCODINGS] }
    }

    pub(crate) fn target(&self) -> &'static str {
        self.target
    }

    pub(crate) fn argument(&self) -> &'a A {
        self.argument
    }

    /// Where it was put is not there any more.
    pub(crate) fn begin_again(&mut self) {
        self.places = [None; ENCODINGS];
    }
}

impl Frames {
    /// Gives a callback to an audience that speaks `encoding`, behind what it was given before.
    pub(crate) fn give<A: Serialize>(&mut self, callback: &mut Callback<'_, A>, audience: Slot, encoding: Encoding) {
        let number = number(encoding);
        let place = match callback.places[number] {
            Some(place) => place,
            None => {
                let sheet = self.sheets[number].get_or_insert_with(|| Sheet::new(encoding));
                let place = sheet.add(callback.target, callback.argument);
                self.encoded += u64::from(place.is_some());
                *callback.places[number].insert(place)
            }
        };
        let (Some(place), Some(sheet)) = (place, &self.sheets[number]) else { return };
        if self.shares.len() <= audience {
            self.shares.resize_with(audience + 1, Share::default);
        }
        let share = &mut self.shares[audience];
        if share.callbacks.is_empty() {
            self.concerned.push(audience);
        }
        share.callbacks.push(place);
        share.bytes += sheet.callbacks[place].len();
        self.largest = self.largest.max(share.bytes);
    }

    /// Whether it is time to send: more in a frame would save nothing, or too much is held.
    pub(crate) fn is_full(&self) -> bool {
        self.largest >= FRAME_BYTES || self.sheets.iter().flatten().any(|sheet| sheet.frame.len() >= SHEET_BYTES)
    }

    /// Callbacks encoded since this was asked last.
    pub(crate) fn take_encoded(&mut self) -> u64 {
        std::mem::take(&mut self.encoded)
    }

    /// What was gathered; `None` if that is nothing.
    pub(crate) fn take(&mut self, encoding: impl Fn(Slot) -> Encoding) -> Option<Chunk> {
        let mut chunk = Chunk { frames: Vec::new(), parcels: Vec::with_capacity(self.concerned.len()) };
        for (number, sheet) in self.sheets.iter_mut().enumerate() {
            let Some(sheet) = sheet.take() else { continue };
            let concerned = self.concerned.iter().copied().filter(|slot| self::number(encoding(*slot)) == number);
            sheet.share_out(concerned, &self.shares, &mut chunk);
        }
        for slot in self.concerned.drain(..) {
            self.shares[slot].clear();
        }
        self.largest = 0;
        (!chunk.parcels.is_empty()).then_some(chunk)
    }
}

impl Sheet {
    fn new(encoding: Encoding) -> Self {
        Self { encoding, frame: FrameBuilder::new(encoding), callbacks: Vec::new() }
    }

    /// The callback's place. Texts and numbers always serialise; should something ever not, others are not held up.
    fn add<A: Serialize>(&mut self, target: &str, argument: &A) -> Option<usize> {
        let start = self.frame.len();
        self.frame.invocation(target, &(argument,)).ok()?;
        self.callbacks.push(start..self.frame.len());
        Some(self.callbacks.len() - 1)
    }

    /// Adds the frames of these audiences to a chunk. Whoever gets everything gets the sheet itself.
    fn share_out(self, concerned: impl Iterator<Item = Slot> + Clone, shares: &[Share], chunk: &mut Chunk) {
        let gets_all = |slot: &Slot| shares[*slot].callbacks.len() == self.callbacks.len();
        let mut frames: HashMap<&[usize], usize> = HashMap::new();
        for audience in concerned.clone().filter(|slot| !gets_all(slot)) {
            let Share { callbacks, bytes } = &shares[audience];
            let frame = *frames.entry(callbacks).or_insert_with(|| {
                chunk.frames.push(self.some(callbacks, *bytes));
                chunk.frames.len() - 1
            });
            chunk.parcels.push(Parcel { audience, frame, callbacks: callbacks.len() });
        }
        let (frame, callbacks) = (chunk.frames.len(), self.callbacks.len());
        chunk.parcels.extend(concerned.filter(gets_all).map(|audience| Parcel { audience, frame, callbacks }));
        chunk.frames.push(self.frame.finish());
    }

    fn some(&self, callbacks: &[usize], bytes: usize) -> Frame {
        let mut frame = FrameBuilder::with_capacity(self.encoding, bytes);
        for place in callbacks {
            frame.copy(&self.frame, self.callbacks[*place].clone());
        }
        frame.finish()
    }
}

impl Share {
    fn clear(&mut self) {
        self.callbacks.clear();
        self.bytes = 0;
    }
}

/// The place of an encoding among all.
fn number(encoding: Encoding) -> usize {
    Encoding::ALL.iter().position(|one| *one == encoding).unwrap_or_default()
}

const ENCODINGS: usize = Encoding::ALL.len();

/// A frame takes no further callback beyond this size: far below what a connection may have waiting, and large enough
/// that more would not save anything.
const FRAME_BYTES: usize = 64 * 1024;

/// Bytes of all callbacks in one encoding, past which they are sent however little of them each audience gets.
const SHEET_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_encoded_once_per_encoding_and_equal_shares_are_one_frame() {
        let mut frames = Frames::default();
        let encoding = |slot: Slot| if slot == 3 { Encoding::MessagePack } else { Encoding::Json };
        let mut give = |argument: &str, audiences: &[Slot]| {
            let mut callback = Callback::new("Said", &argument);
            audiences.iter().for_each(|slot| frames.give(&mut callback, *slot, encoding(*slot)));
        };
        give("a", &[0, 1, 2, 3]);
        give("b", &[0, 4]);
        give("c", &[0, 1, 2]);
        assert_eq!(frames.take_encoded(), 4);
        let chunk = frames.take(encoding).unwrap();
        let frame_of = |slot| chunk.parcels.iter().find(|parcel| parcel.audience == slot).copied().unwrap();
        assert_eq!((frame_of(0).callbacks, frame_of(1).callbacks, frame_of(4).callbacks), (3, 2, 1));
        assert_eq!(frame_of(1).frame, frame_of(2).frame);
        assert_eq!(chunk.frames.len(), 4);
        let text = |slot| &chunk.frames[frame_of(slot).frame];
        assert_eq!(*text(0), said(Encoding::Json, &["a", "b", "c"]));
        assert_eq!(*text(1), said(Encoding::Json, &["a", "c"]));
        assert_eq!(*text(3), said(Encoding::MessagePack, &["a"]));
        assert_eq!(*text(4), said(Encoding::Json, &["b"]));
        assert!(frames.take(encoding).is_none());
    }

    #[test]
    fn what_was_sent_does_not_come_again() {
        let mut frames = Frames::default();
        for argument in ["a", "b"] {
            frames.give(&mut Callback::new("Said", &argument), 7, Encoding::Json);
            let chunk = frames.take(|_| Encoding::Json).unwrap();
            assert_eq!(chunk.parcels, [Parcel { audience: 7, frame: 0, callbacks: 1 }]);
            assert_eq!(chunk.frames, [said(Encoding::Json, &[argument])]);
        }
    }

    #[test]
    fn it_is_full_by_the_largest_share_or_by_all_together() {
        let mut frames = Frames::default();
        let text = "x".repeat(FRAME_BYTES / 2);
        for audience in 0..SHEET_BYTES / FRAME_BYTES * 2 {
            assert!(!frames.is_full());
            frames.give(&mut Callback::new("Said", &text), audience, Encoding::Json);
        }
        assert!(frames.is_full());
        frames.take(|_| Encoding::Json);
        assert!(!frames.is_full());
        for _ in 0..2 {
            frames.give(&mut Callback::new("Said", &text), 0, Encoding::Json);
        }
        assert!(frames.is_full());
    }

    fn said(encoding: Encoding, arguments: &[&str]) -> Frame {
        let mut frame = FrameBuilder::new(encoding);
        arguments.iter().for_each(|argument| frame.invocation("Said", &(argument,)).unwrap());
        frame.finish()
    }
}
