//! `Lobby`: a hub that notes who comes and goes, with a few methods.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use signalr_server::{Caller, ConnectionHandle, Hub};
use tokio::sync::Semaphore;

#[derive(Clone)]
pub(crate) struct Lobby {
    handles: Arc<Mutex<Vec<ConnectionHandle>>>,
    left: Arc<Mutex<Vec<Option<String>>>>,
    /// Permits for `Hold`, one each.
    pub(crate) gate: Arc<Semaphore>,
}

impl Default for Lobby {
    fn default() -> Self {
        Self { handles: Arc::default(), left: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }
}

impl Lobby {
    pub(crate) fn hub(&self) -> Hub {
        let (handles, left, gate) = (self.handles.clone(), self.left.clone(), self.gate.clone());
        Hub::new()
            .on_connected(move |caller| {
                handles.lock().unwrap().push(caller.connection().clone());
                async { Ok(()) }
            })
            .on_disconnected(move |_, error| {
                left.lock().unwrap().push(error);
                async {}
            })
            .method("Echo", |_: Caller, (value,): (Value,)| async move { Ok(value) })
            .method("Hold", move |_: Caller, (): ()| {
                let gate = gate.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    Ok(())
                }
            })
    }

    pub(crate) fn handles(&self) -> Vec<ConnectionHandle> {
        self.handles.lock().unwrap().clone()
    }

    /// What the disconnected handler was told, each time.
    pub(crate) fn left(&self) -> Vec<Option<String>> {
        self.left.lock().unwrap().clone()
    }
}
