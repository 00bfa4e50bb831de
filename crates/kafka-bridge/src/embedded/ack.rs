//! `LogAck`: the log's own answer as an acknowledgement; what it says is mapped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use embedded_log::{AppendError, Appended, Pending, WriteError};

use super::{Shared, refusal};
use crate::broker::{AckError, Stored};

/// One record on its way. That it is answered in time, `tend` sees to.
#[derive(Debug)]
pub(crate) struct LogAck {
    pending: Pending<Appended, AppendError>,
    partition: i32,
    since: Instant,
    shared: Arc<Shared>,
}

impl LogAck {
    pub(super) fn new(
        pending: Pending<Appended, AppendError>,
        partition: i32,
        since: Instant,
        shared: Arc<Shared>,
    ) -> Self {
        Self { pending, partition, since, shared }
    }
}

impl Future for LogAck {
    type Output = Result<Stored, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(Pin::new(&mut self.pending).poll(cx));
        let cause = if answer == Err(AppendError::Write(WriteError::Overdue)) { "timeout" } else { "log_failed" };
        let answer = match answer {
            Ok(appended) => Ok(Stored { partition: self.partition, offset: appended.offset }),
            Err(AppendError::Write(WriteError::Failed(_) | WriteError::Overdue)) => Err(AckError::OutcomeUnknown),
            Err(error) => Err(AckError::NotWritten(refusal(error))),
        };
        self.shared.metrics.count_answer(&answer, self.since.elapsed(), cause);
        Poll::Ready(answer)
    }
}
