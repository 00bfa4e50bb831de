//! The outbox over real sockets: what it writes, in which order, and whom it wakes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket};

use super::*;
use crate::frame::FrameBuilder;

fn roomy() -> Bounds {
    Bounds {
        bytes: 64 * MIB,
        frames: 1_000_000,
        age: Duration::from_secs(60),
        stall: Duration::from_secs(60),
        total: Total::alone(usize::MAX),
        unacknowledged: usize::MAX,
    }
}

#[tokio::test]
async fn a_push_writes_at_once_while_nothing_waits() {
    let (outbox, mut peer) = pair(roomy()).await;
    assert_eq!(push(&outbox, b"hello"), Pushed::Sent);
    assert_eq!((outbox.queued_bytes(), outbox.deadline()), (0, None));
    assert_eq!(read(&mut peer, 5).await, b"hello");
}

#[tokio::test]
async fn what_is_queued_follows_in_order_across_partial_writes() {
    let (outbox, mut peer) = pair(roomy()).await;
    let frames: Vec<Bytes> = (0..300).map(|index| numbered(index, 10_007)).collect();
    let queued = frames.iter().filter(|frame| outbox.push_bytes(frame, Instant::now()) == Pushed::Queued).count();
    assert!(queued > 200, "the socket is to be full early: {queued}");
    let expected = frames.concat();
    let (drained, received) = tokio::join!(drain(&outbox), read(&mut peer, expected.len()));
    drained.unwrap();
    assert!(received == expected, "bytes arrive as they were pushed");
    assert_eq!((outbox.queued_bytes(), outbox.deadline()), (0, None));
    assert_eq!(push(&outbox, b"after"), Pushed::Sent, "the direct way is open again");
}

#[tokio::test]
async fn bytes_that_nobody_shares_keep_the_same_order() {
    let (outbox, mut peer) = pair(roomy()).await;
    let mut expected = Vec::new();
    for index in 0..200 {
        let frame = numbered(index, 9_001);
        let pushed = if index % 2 == 0 {
            outbox.push_bytes(&frame, Instant::now())
        } else {
            outbox.push_slice(&frame, Instant::now())
        };
        assert_ne!(pushed, Pushed::Ended);
        expected.extend_from_slice(&frame);
    }
    let (drained, received) = tokio::join!(drain(&outbox), read(&mut peer, expected.len()));
    drained.unwrap();
    assert!(received == expected);
}

#[tokio::test]
async fn a_queued_frame_is_shared_and_not_copied() {
    let (outbox, _peer) = pair(roomy()).await;
    fill(&outbox);
    let frame = Bytes::from(vec![7; MIB]);
    outbox.push_bytes(&frame, Instant::now());
    let last = outbox.lock().queue.as_ref().and_then(|queue| queue.frames().last()).map(|last| last.as_ptr());
    assert_eq!(last, Some(frame.as_ptr()));
}

#[tokio::test]
async fn a_goodbye_keeps_what_waits_if_asked() {
    let (outbox, mut peer) = pair(roomy()).await;
    let (big, small) = (numbered(1, MIB), numbered(2, 10));
    assert_eq!(outbox.push_bytes(&big, Instant::now()), Pushed::Queued);
    outbox.push_bytes(&small, Instant::now());
    outbox.close(Bytes::from_static(b"bye"), true, Instant::now());
    assert_eq!(push(&outbox, b"too late"), Pushed::Ended);
    let expected = [&big[..], &small, b"bye"].concat();
    let (drained, received) = tokio::join!(drain(&outbox), read(&mut peer, expected.len()));
    drained.unwrap();
    assert!(received == expected);
    assert_nothing_follows(outbox, peer).await;
}

#[tokio::test]
async fn a_hasty_goodbye_keeps_only_the_frame_that_has_begun() {
    let (outbox, mut peer) = pair(roomy()).await;
    let big = numbered(1, MIB);
    assert_eq!(outbox.push_bytes(&big, Instant::now()), Pushed::Queued);
    for _ in 0..10 {
        push(&outbox, b"dropped");
    }
    outbox.close(Bytes::from_static(b"bye"), false, Instant::now());
    let expected = [&big[..], b"bye"].concat();
    let (drained, received) = tokio::join!(drain(&outbox), read(&mut peer, expected.len()));
    drained.unwrap();
    assert!(received == expected);
    assert_nothing_follows(outbox, peer).await;
}

#[tokio::test]
async fn a_frame_that_meets_the_bound_half_way_out_is_finished_before_the_goodbye() {
    let (outbox, mut peer) = pair(Bounds { bytes: 1_000, ..roomy() }).await;
    let big = numbered(1, MIB);
    assert_eq!(outbox.push_bytes(&big, Instant::now()), Pushed::Ended);
    assert_eq!(outbox.condemned(), Some(CloseReason::TooSlow));
    outbox.close(Bytes::from_static(b"bye"), false, Instant::now());
    let expected = [&big[..], b"bye"].concat();
    let (drained, received) = tokio::join!(drain(&outbox), read(&mut peer, expected.len()));
    drained.unwrap();
    assert!(received == expected, "the goodbye cuts into no frame");
}

#[tokio::test]
async fn a_push_after_the_end_is_told_so_and_leaves_nothing() {
    let (outbox, _peer) = pair(roomy()).await;
    fill(&outbox);
    outbox.end();
    assert_eq!(push(&outbox, b"x"), Pushed::Ended);
    assert!(outbox.lock().queue.is_none(), "an ended connection holds no frames");
}

#[test]
fn bounds_are_exact() {
    let bounds = |bytes, frames| Bounds { bytes, frames, ..roomy() };
    let rows: [(&str, Bounds, &[usize], bool); 6] = [
        ("bytes, at the bound", bounds(100, 10), &[60, 40], true),
        ("bytes, one above", bounds(100, 10), &[60, 41], false),
        ("one frame, at the bound", bounds(100, 10), &[100], true),
        ("one frame, one above", bounds(100, 10), &[101], false),
        ("frames, at the bound", bounds(100, 3), &[1, 1, 1], true),
        ("frames, one above", bounds(100, 3), &[1, 1, 1, 1], false),
    ];
    for (name, bounds, sizes, fits) in rows {
        let outbox = queue_only(bounds);
        let (last, before) = sizes.split_last().unwrap();
        for size in before {
            assert_eq!(push(&outbox, &vec![0; *size]), Pushed::Queued, "{name}");
        }
        let expected = if fits { (Pushed::Queued, None) } else { (Pushed::Ended, Some(CloseReason::TooSlow)) };
        let pushed = push(&outbox, &vec![0; *last]);
        assert_eq!((pushed, outbox.condemned()), expected, "{name}");
    }
}

#[test]
fn nothing_may_wait_for_longer_than_its_age() {
    let age = Duration::from_secs(10);
    for (later, pushed) in [(age, Pushed::Queued), (age + Duration::from_nanos(1), Pushed::Ended)] {
        let outbox = queue_only(Bounds { age, ..roomy() });
        let start = Instant::now();
        outbox.push_slice(b"first", start);
        assert_eq!(outbox.deadline(), Some(start + age));
        assert_eq!(outbox.push_slice(b"second", start + later), pushed);
    }
}

#[test]
fn the_metric_of_queued_bytes_returns_to_nothing_however_it_ends() {
    let metrics = Arc::new(Metrics::default());
    let outbox = || Outbox::new(None, Drain::Task, Arc::new(roomy()), metrics.clone(), Instant::now());
    for end in [
        |outbox: &Outbox| outbox.end(),
        |outbox: &Outbox| outbox.close(Bytes::from_static(b"bye"), false, Instant::now()),
        |outbox: &Outbox| {
            outbox.written(7);
        },
    ] {
        let outbox = outbox();
        push(&outbox, b"12345");
        push(&outbox, b"67890");
        assert_eq!(metrics.queued_output(), 10);
        end(&outbox);
        drop(outbox);
        assert_eq!(metrics.queued_output(), 0);
    }
}

/// As before a handshake, or without hub protocol.
#[test]
fn past_the_bound_of_all_one_ends_itself_that_others_do_not_find() {
    let outbox = queue_only(Bounds { total: Total::alone(100), ..roomy() });
    assert_eq!(push(&outbox, &[0; 60]), Pushed::Queued);
    assert_eq!(push(&outbox, &[0; 40]), Pushed::Queued, "at the bound");
    assert_eq!(push(&outbox, &[0; 1]), Pushed::Ended);
    assert_eq!(outbox.condemned(), Some(CloseReason::TooSlow));
    assert_eq!(outbox.metrics.queued_output(), 0, "it counts no more");
    outbox.written(60);
    outbox.close(Bytes::from_static(b"bye"), false, Instant::now());
    assert_eq!((outbox.queued_bytes(), outbox.metrics.queued_output()), (3, 0), "whatever comes of it");
    outbox.end();
    assert_eq!((outbox.queued_bytes(), outbox.metrics.queued_output()), (0, 0));
}

#[test]
fn the_task_is_woken_once_per_episode() {
    let outbox = queue_only(roomy());
    let (wakes, waker) = Wakes::of_a_task();
    let mut cx = Context::from_waker(&waker);
    assert!(outbox.poll_drain(&mut cx, refuse).is_ready());
    push(&outbox, b"a");
    push(&outbox, b"b");
    assert_eq!(wakes.count(), 1);
    assert!(outbox.poll_drain(&mut cx, take_all).is_ready());
    push(&outbox, b"c");
    assert_eq!(wakes.count(), 2);
}

/// Nothing may be written then for a long time, which would have woken it as well.
#[test]
fn a_sender_goes_on_when_enough_is_acknowledged() {
    let outbox = queue_only(Bounds { unacknowledged: 100, ..roomy() });
    outbox.keep_unacknowledged(Encoding::Json);
    let mut builder = FrameBuilder::new(Encoding::Json);
    builder.invocation("Said", &("x".repeat(100),)).unwrap();
    assert_eq!(outbox.push(&builder.finish(), None, Instant::now()), Pushed::Queued);
    outbox.written(outbox.queued_bytes());
    let (wakes, waker) = Wakes::of_a_task();
    let mut cx = Context::from_waker(&waker);
    assert!(outbox.poll_room(&mut cx).is_pending());
    outbox.acknowledge(0);
    assert_eq!(wakes.count(), 0);
    outbox.acknowledge(1);
    assert_eq!(wakes.count(), 1);
    assert!(outbox.poll_room(&mut cx).is_ready());
}

#[test]
fn a_task_in_the_midst_of_its_turn_still_learns_that_it_is_to_end() {
    let outbox = queue_only(Bounds { frames: 1, ..roomy() });
    let (wakes, waker) = Wakes::of_a_task();
    let mut cx = Context::from_waker(&waker);
    assert!(outbox.poll_drain(&mut cx, refuse).is_ready());
    push(&outbox, b"a");
    assert_eq!(wakes.count(), 1, "the turn begins");
    assert_eq!(outbox.condemned(), None, "it looks whether it is to end");
    assert_eq!(push(&outbox, b"b"), Pushed::Ended);
    assert!(outbox.poll_drain(&mut cx, refuse).is_pending());
    assert_eq!(wakes.count(), 2, "it must run again to see why");
}

#[test]
fn a_task_in_the_midst_of_its_turn_still_learns_that_it_was_called() {
    let outbox = queue_only(roomy());
    let (wakes, waker) = Wakes::of_a_task();
    let mut cx = Context::from_waker(&waker);
    assert!(outbox.poll_drain(&mut cx, refuse).is_ready());
    push(&outbox, b"a");
    assert_eq!(wakes.count(), 1, "the turn begins, and looks for what it may be called for");
    outbox.wake_task();
    let _ = outbox.poll_drain(&mut cx, |_, slices| Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum())));
    assert_eq!(wakes.count(), 2, "it must run again to look");
    let _ = outbox.poll_drain(&mut cx, refuse);
    assert_eq!(wakes.count(), 2, "once");
}

#[test]
fn wakers_are_let_go_with_the_connection() {
    let outbox = queue_only(roomy());
    let (wakes, waker) = Wakes::of_a_task();
    let mut cx = Context::from_waker(&waker);
    let _ = outbox.poll_drain(&mut cx, refuse);
    outbox.end();
    drop(waker);
    assert_eq!(Arc::strong_count(&wakes), 1);
}

/// Many threads push numbered frames while the connection's task drains and the peer reads in fits and starts: every
/// frame arrives whole, once, and in the order of its thread. A lost wake-up would leave the reader waiting for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_lost_and_no_frame_torn_under_many_threads() {
    const THREADS: u32 = 4;
    const FRAMES: u32 = 2_000;
    for seed in 1..=4_u64 {
        let (outbox, mut peer) = pair(roomy()).await;
        let outbox = Arc::new(outbox);
        let drainer = tokio::spawn({
            let outbox = outbox.clone();
            async move {
                std::future::poll_fn(|cx| match poll(&outbox, cx) {
                    Poll::Ready(Ok(())) => Poll::<io::Result<()>>::Pending,
                    Poll::Ready(error) => Poll::Ready(error),
                    Poll::Pending => Poll::Pending,
                })
                .await
            }
        });
        let pushers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let outbox = outbox.clone();
                std::thread::spawn(move || {
                    let mut random = Random(seed * 1_000 + u64::from(thread));
                    for index in 0..FRAMES {
                        let frame = record(thread, index, random.below(1_500));
                        assert_ne!(outbox.push_bytes(&frame, Instant::now()), Pushed::Ended);
                        if random.below(50) == 0 {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let mut next = [0; THREADS as usize];
        for _ in 0..THREADS * FRAMES {
            let (thread, index) = tokio::time::timeout(PATIENCE, read_record(&mut peer))
                .await
                .unwrap_or_else(|_| panic!("a wake-up was lost, seed {seed}"));
            assert_eq!(index, next[thread], "thread {thread}, seed {seed}");
            next[thread] += 1;
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
        // The last write may be read before it is counted.
        let counted = async {
            while outbox.queued_bytes() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, counted).await.expect("nothing waits");
        drainer.abort();
    }
}

/// An outbox over a socket that is soon full, and the other end of it. Its buffer to send from is as small as the system
/// allows; the one to receive into is not: once it had no room for a segment, the system would ask every 200 ms only.
async fn pair(bounds: Bounds) -> (Outbox, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(128 * 1024).unwrap();
    let (client, accepted) = tokio::join!(client.connect(listener.local_addr().unwrap()), listener.accept());
    let server = accepted.unwrap().0;
    server.set_nodelay(true).unwrap();
    socket2::SockRef::from(&server).set_send_buffer_size(4_096).unwrap();
    // A new socket counts as full until its first event.
    server.writable().await.unwrap();
    let outbox = Outbox::new(Some(server), Drain::Task, Arc::new(bounds), Arc::default(), Instant::now());
    (outbox, client.unwrap())
}

fn queue_only(bounds: Bounds) -> Outbox {
    Outbox::new(None, Drain::Task, Arc::new(bounds), Arc::default(), Instant::now())
}

fn push(outbox: &Outbox, frame: &[u8]) -> Pushed {
    outbox.push_bytes(&Bytes::copy_from_slice(frame), Instant::now())
}

/// Pushes until something waits.
fn fill(outbox: &Outbox) {
    while push(outbox, &[0; 10_000]) == Pushed::Sent {}
}

async fn drain(outbox: &Outbox) -> io::Result<()> {
    std::future::poll_fn(|cx| poll(outbox, cx)).await
}

/// Drains as the connection's task does.
fn poll(outbox: &Outbox, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let mut io = crate::transport::Io::Socket(None);
    outbox.poll_drain(cx, |cx, slices| io.poll_write(outbox.socket(), cx, slices))
}

fn take_all(_: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
    Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
}

fn refuse(_: &mut Context<'_>, _: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
    Poll::Pending
}

async fn read(peer: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    tokio::time::timeout(PATIENCE, peer.read_exact(&mut bytes)).await.expect("the bytes come in time").unwrap();
    bytes
}

async fn assert_nothing_follows(outbox: Outbox, mut peer: TcpStream) {
    drop(outbox);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}

/// A frame whose bytes tell where they belong.
fn numbered(index: usize, length: usize) -> Bytes {
    (0..length).map(|position| (index * 31 + position / 7) as u8).collect()
}

/// `thread`, `index`, `length`, then as many bytes that follow from them.
fn record(thread: u32, index: u32, length: u32) -> Bytes {
    let mut bytes = Vec::new();
    for number in [thread, index, length] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.resize(12 + length as usize, (thread + index) as u8);
    bytes.into()
}

async fn read_record(peer: &mut TcpStream) -> (usize, u32) {
    let (thread, index) = (peer.read_u32().await.unwrap(), peer.read_u32().await.unwrap());
    let length = peer.read_u32().await.unwrap() as usize;
    let mut body = vec![0; length];
    peer.read_exact(&mut body).await.unwrap();
    assert!(body.iter().all(|byte| *byte == (thread + index) as u8), "a frame is torn");
    (thread as usize, index)
}

impl Outbox {
    fn push_bytes(&self, bytes: &Bytes, now: Instant) -> Pushed {
        self.push_with(self.lock(), bytes, None, now, |written| bytes.slice(written..))
    }

    fn queued_bytes(&self) -> usize {
        self.lock().waiting()
    }
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    fn of_a_task() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (wakes.clone(), Waker::from(wakes))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % u64::from(bound)) as u32
    }
}

const MIB: usize = 1024 * 1024;

/// For a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
