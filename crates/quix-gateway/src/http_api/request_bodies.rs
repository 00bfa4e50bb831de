//! `Bodies`: what request bodies hold all together. Past the bound the oldest that has not come to its end gives way, so
//! that whoever sends slowly does not keep others out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

#[derive(Debug)]
pub(crate) struct Bodies {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    bodies: u64,
    /// In the order in which they began. Whoever is taken out by another must go.
    unfinished: BTreeMap<u64, Unfinished>,
}

#[derive(Debug)]
struct Unfinished {
    bytes: usize,
    _stay: oneshot::Sender<()>,
}

/// One body, until its request is answered.
#[derive(Debug)]
pub(super) struct HeldBody {
    bodies: Arc<Bodies>,
    number: u64,
    bytes: Vec<u8>,
    is_whole: bool,
}

impl Bodies {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::default() })
    }

    /// A new body, and what ends when it has to give way.
    pub(super) fn begin(self: &Arc<Self>) -> (HeldBody, oneshot::Receiver<()>) {
        let (stay, must_go) = oneshot::channel();
        let mut state = self.lock();
        state.bodies += 1;
        let number = state.bodies;
        state.unfinished.insert(number, Unfinished { bytes: 0, _stay: stay });
        drop(state);
        (HeldBody { bodies: self.clone(), number, bytes: Vec::new(), is_whole: false }, must_go)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldBody {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes more. Others, or this one, may have to give way for it.
    pub(super) fn take(&mut self, piece: &[u8]) {
        let mut state = self.bodies.lock();
        let Some(own) = state.unfinished.get_mut(&self.number) else { return };
        own.bytes += piece.len();
        state.bytes += piece.len();
        while state.bytes > self.bodies.limit
            && let Some((_, oldest)) = state.unfinished.pop_first()
        {
            state.bytes -= oldest.bytes;
        }
        drop(state);
        self.bytes.extend_from_slice(piece);
    }

    /// Nothing more comes; from here on it stays. `None`: it had to give way.
    pub(super) fn finish(mut self) -> Option<Self> {
        self.is_whole = self.bodies.lock().unfinished.remove(&self.number).is_some();
        self.is_whole.then_some(self)
    }
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        let mut state = self.bodies.lock();
        let counted = match state.unfinished.remove(&self.number) {
            Some(unfinished) => unfinished.bytes,
            None if self.is_whole => self.bytes.len(),
            None => 0,
        };
        state.bytes -= counted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unfinished_gives_way_and_whole_ones_stay() {
        let bodies = Bodies::new(10);
        let [(mut whole, _), (mut first, mut first_must_go), (mut second, mut second_must_go)] =
            [bodies.begin(), bodies.begin(), bodies.begin()];
        whole.take(b"1234");
        let whole = whole.finish().unwrap();
        first.take(b"123");
        second.take(b"123");
        assert!(first_must_go.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        second.take(b"1");
        assert!(first_must_go.try_recv() == Err(oneshot::error::TryRecvError::Closed));
        assert!(first.finish().is_none());
        assert!(second_must_go.try_recv() == Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(bodies.lock().bytes, 8);
        drop(whole);
        drop(second);
        assert_eq!(bodies.lock().bytes, 0);
        assert_eq!(bodies.lock().unfinished.len(), 0);

        let (mut alone, mut alone_must_go) = bodies.begin();
        alone.take(b"12345678901");
        assert!(alone_must_go.try_recv() == Err(oneshot::error::TryRecvError::Closed));
        drop(alone);
        assert_eq!(bodies.lock().bytes, 0);
    }
}
