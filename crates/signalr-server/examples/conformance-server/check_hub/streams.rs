//! Methods that stream to their caller, read its streams, or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use signalr_server::{Caller, Hub, HubError, Upload};

use super::failure;

pub(super) fn methods(hub: Hub) -> Hub {
    uploads(server_streams(hub))
}

fn server_streams(hub: Hub) -> Hub {
    let open = Arc::new(AtomicUsize::new(0));
    let counting = open.clone();
    hub.stream_method("Counter", move |_: Caller, (to, millis): (i32, u64)| {
        let counted = Counted::by(&counting);
        async move { Ok(counter(to, Duration::from_millis(millis), counted)) }
    })
    .method("OpenStreams", move |_: Caller, (): ()| {
        let open = open.load(Ordering::SeqCst);
        async move { Ok(open) }
    })
    .stream_method("StreamFail", |_: Caller, (to, text): (i32, String)| async move {
        Ok(then_failing(to, HubError::new(text)))
    })
    .stream_method("StreamFailHidden", |_: Caller, (to, text): (i32, String)| async move {
        Ok(then_failing(to, failure(text)))
    })
}

fn uploads(hub: Hub) -> Hub {
    hub.upload_method("Sum", |_: Caller, (): (), (numbers,): (Upload<i32>,)| {
        numbers.try_fold(0_i64, |sum, number| async move { Ok(sum + i64::from(number)) })
    })
    .upload_method("Zip", |_: Caller, (between,): (String,), (a, b): (Upload<String>, Upload<String>)| async move {
        let (a, b): (Vec<_>, Vec<_>) = (a.try_collect().await?, b.try_collect().await?);
        let pairs: Vec<_> = a.iter().zip(&b).map(|(a, b)| format!("{a}{between}{b}")).collect();
        Ok(pairs.join(" "))
    })
    .upload_method("First", |_: Caller, (): (), (mut texts,): (Upload<String>,)| async move {
        texts.next().await.transpose()
    })
    .upload_method("ReadSlowly", |caller: Caller, (millis,): (u64,), (mut texts,): (Upload<String>,)| async move {
        let mut count = 0;
        while let Some(_text) = texts.try_next().await? {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            count += 1;
            caller.itself().send("Read", &(count,)).await?;
        }
        Ok(count)
    })
    .upload_stream_method("Upper", |_: Caller, (): (), (texts,): (Upload<String>,)| async move {
        Ok(texts.map_ok(|text| text.to_uppercase()))
    })
}

fn counter(to: i32, pause: Duration, counted: Counted) -> impl Stream<Item = Result<i32, HubError>> {
    stream::iter(0..to).then(move |number| {
        // The stream is counted as long as it is there.
        let _ = &counted;
        async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok(number)
        }
    })
}

fn then_failing(to: i32, error: HubError) -> impl Stream<Item = Result<i32, HubError>> {
    stream::iter(0..to).map(Ok).chain(stream::iter([Err(error)]))
}

/// One of those that are counted, until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn by(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
