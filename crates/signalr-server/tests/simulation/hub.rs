//! The hub of the histories, and the notes it takes of what happens in it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use signalr_server::{Caller, ConnectionHandle, Hub, HubError, Upload};

/// What has happened at the server's side.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) handle: Option<ConnectionHandle>,
    pub(crate) connects: u32,
    pub(crate) has_joined: bool,
    pub(crate) refusals: u32,
    pub(crate) disconnects: u32,
    /// Arguments of plain and pipelined calls, as they came.
    pub(crate) noted: Vec<u64>,
    /// Questions that were asked from outside, and those of them that have ended.
    pub(crate) asked: u32,
    pub(crate) ended: u32,
}

#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Notes>>);

/// How the connected handler goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Welcome {
    pub(crate) millis: u64,
    pub(crate) refuses: bool,
}

impl Desk {
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap()
    }

    pub(crate) fn hub(&self, welcome: Welcome) -> Hub {
        let (first, last, plain, piped) = (self.clone(), self.clone(), self.clone(), self.clone());
        Hub::new()
            .on_connected(move |caller| first.clone().connected(caller, welcome))
            .on_disconnected(move |_, _| {
                last.notes().disconnects += 1;
                pause(welcome.millis)
            })
            .method("Note", move |_: Caller, (number, millis): (u64, u64)| {
                plain.notes().noted.push(number);
                async move {
                    pause(millis).await;
                    Ok(number)
                }
            })
            .pipelined_method("Pipe", move |_: Caller, (number, millis): (u64, u64)| {
                piped.notes().noted.push(number);
                async move {
                    Ok(async move {
                        pause(millis).await;
                        Ok(number)
                    })
                }
            })
            .method("Fail", |_: Caller, (_, millis): (u64, u64)| async move {
                pause(millis).await;
                Err::<(), _>(HubError::new("on purpose"))
            })
            .method("AskMe", |caller: Caller, (number, _): (u64, u64)| async move {
                Ok(caller.itself().invoke::<u64>("Answer", &(number,)).await?)
            })
            .stream_method("Count", |_: Caller, (to, millis): (u64, u64)| async move {
                Ok(stream::iter(0..to).then(move |item| async move {
                    pause(millis).await;
                    Ok::<_, HubError>(item)
                }))
            })
            .upload_method("Sum", |_: Caller, (_, millis): (u64, u64), (mut items,): (Upload<u64>,)| async move {
                let mut sum = 0;
                while let Some(item) = items.next().await {
                    sum += item?;
                    pause(millis).await;
                }
                Ok(sum)
            })
    }

    async fn connected(self, caller: Caller, welcome: Welcome) -> Result<(), HubError> {
        {
            let mut notes = self.notes();
            notes.connects += 1;
            notes.handle = Some(caller.connection().clone());
        }
        pause(welcome.millis).await;
        if welcome.refuses {
            self.notes().refusals += 1;
            return Err(HubError::new("not today"));
        }
        caller.groups().add(caller.connection_id(), GROUP)?;
        self.notes().has_joined = true;
        Ok(())
    }
}

async fn pause(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

pub(crate) const GROUP: &str = "all of them";
