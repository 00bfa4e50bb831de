//! Buffers shared by all connections of a thread, so that an idle connection holds none.

use std::cell::Cell;

use crate::frame::HEAD_ROOM;

/// Borrowed for one turn of a connection's task.
pub(crate) struct Buffers {
    pub(crate) input: Box<[u8]>,
    /// Hub messages to be sent at the end of the turn, behind room for a frame's head.
    pub(crate) output: Vec<u8>,
}

thread_local! {
    static SPARE: Cell<Option<Buffers>> = const { Cell::new(None) };
}

impl Buffers {
    /// This thread's buffers; new ones if they are taken, as by a turn within a turn.
    pub(crate) fn take() -> Self {
        SPARE
            .take()
            .unwrap_or_else(|| Self { input: vec![0; INPUT_BYTES].into_boxed_slice(), output: vec![0; HEAD_ROOM] })
    }

    /// Gives them back for the next turn.
    pub(crate) fn give_back(mut self) {
        self.output.truncate(HEAD_ROOM);
        self.output.shrink_to(OUTPUT_BYTES);
        SPARE.set(Some(self));
    }
}

const INPUT_BYTES: usize = 64 * 1024;

/// What an output buffer may keep between turns.
const OUTPUT_BYTES: usize = 64 * 1024;
