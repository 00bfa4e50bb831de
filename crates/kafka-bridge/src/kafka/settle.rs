//! `settle`: waits until a consumer has let go of the partitions that were taken from it, or assigned to it anew.

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::health::Context;

/// To be called after each change of an assignment that lets partitions stop. They do so a moment later: if they are told to
/// once more before that, as by the next change or by the end of the consumer, librdkafka (2.12.1) ends the process by an
/// assertion, `rktp->rktp_started`. Blocks for as long as two questions to it take.
pub(super) fn settle(consumer: &BaseConsumer<Context>) {
    // One thread works off a queue with the order to stop, what is done after it, and this question: when it answers the first
    // time the order has been carried out, the second time what is done after it as well.
    for _ in 0..2 {
        let _ = consumer.assignment(); // asked for its time, not for the answer
    }
}
