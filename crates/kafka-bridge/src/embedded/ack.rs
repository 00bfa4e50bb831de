//! `LogAck`: the log's own answer as an acknowledgement. What it says is mapped; a disk that hangs is answered for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use embedded_log::{AppendError, Appended, Pending, WriteError};

use super::timeouts::Timeout;
use super::{Shared, refusal};
use crate::broker::{AckError, Stored};

/// One record on its way.
#[derive(Debug)]
pub(crate) struct LogAck {
    pending: Pending<Appended, AppendError>,
    partition: i32,
    since: Instant,
    /// Made when somebody waits: what is answered by then needs none.
    timeout: Option<Timeout>,
    shared: Arc<Shared>,
}

impl LogAck {
    pub(super) fn new(
        pending: Pending<Appended, AppendError>,
        partition: i32,
        since: Instant,
        shared: Arc<Shared>,
    ) -> Self {
        Self { pending, partition, since, timeout: None, shared }
    }

    fn judge(&self, answer: Result<Appended, AppendError>) -> Result<Stored, AckError> {
        match answer {
            Ok(appended) => Ok(Stored { partition: self.partition, offset: appended.offset }),
            Err(AppendError::Write(WriteError::Failed(_))) => Err(AckError::OutcomeUnknown),
            Err(error) => Err(AckError::NotWritten(refusal(error))),
        }
    }
}

impl Future for LogAck {
    type Output = Result<Stored, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (answer, cause) = match Pin::new(&mut this.pending).poll(cx) {
            Poll::Ready(answer) => (this.judge(answer), "log_failed"),
            Poll::Pending => {
                let timeout = this.timeout.get_or_insert_with(|| this.shared.timeouts.of(this.since));
                std::task::ready!(Pin::new(timeout).poll(cx));
                (Err(AckError::OutcomeUnknown), "timeout")
            }
        };
        this.shared.metrics.count_answer(&answer, this.since.elapsed(), cause);
        Poll::Ready(answer)
    }
}
