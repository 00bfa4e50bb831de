//! `Calls`: those of one turn, each encoded once for all who speak the same and are of the same workspace.

use std::collections::HashMap;
use std::sync::Arc;

use signalr_server::{Encoding, Frame, FrameBuilder, SendError};

use crate::topics::Topic;

/// Calls on their way, several to a frame.
#[derive(Debug, Default)]
pub(crate) struct Calls(HashMap<Reader, Sheet>);

/// What a connection speaks, and what the topic is called there.
type Reader = (Encoding, Arc<Topic>);

#[derive(Debug)]
struct Sheet {
    open: FrameBuilder,
    full: Vec<Frame>,
}

/// A call about something of a topic, which is called differently in each workspace.
pub(crate) trait Call {
    fn write(&self, topic: &Topic, frame: &mut FrameBuilder) -> Result<(), SendError>;
}

impl Calls {
    /// Gathers for those who speak so from now on.
    pub(crate) fn open(&mut self, encoding: Encoding, topic: &Arc<Topic>) {
        let new = || Sheet { open: FrameBuilder::new(encoding), full: Vec::new() };
        self.0.entry((encoding, topic.clone())).or_insert_with(new);
    }

    pub(crate) fn add(&mut self, call: &impl Call) {
        for ((encoding, topic), sheet) in &mut self.0 {
            if let Err(error) = call.write(topic, &mut sheet.open) {
                tracing::error!(%error, "a call was left out");
            }
            if sheet.open.len() >= FRAME_BYTES {
                sheet.full.push(std::mem::replace(&mut sheet.open, FrameBuilder::new(*encoding)).finish());
            }
        }
    }

    /// What was gathered for whom.
    pub(crate) fn finish(self) -> HashMap<Reader, Vec<Frame>> {
        let finished = self.0.into_iter().map(|(reader, Sheet { open, mut full })| {
            full.extend((!open.is_empty()).then(|| open.finish()));
            (reader, full)
        });
        finished.filter(|(_, frames)| !frames.is_empty()).collect()
    }
}

/// A frame takes no further call beyond this size.
const FRAME_BYTES: usize = 64 * 1024;
