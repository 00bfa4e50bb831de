//! The order in which a connection opens, seen from outside while it does.

use std::io::ErrorKind;

use futures::FutureExt;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::connection::Who;
use crate::ids::ConnectionId;
use crate::outbox::{Drain, Outbox};
use crate::user::User;
use crate::{Hub, HubServer, Options};

/// Who has the answer to its handshake may be looked for by others at once, and hears nothing of them before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_connection_is_found_before_its_handshake_is_answered_and_sent_to_only_after() {
    let server = HubServer::new("/hub", Hub::new(), Options::default());
    let (shared, clients) = (server.shared.clone(), server.clients());
    let (mut client, socket) = pair().await;
    let handle = connection(&shared, socket);
    let say = |text: &str| clients.all().send("Said", &(text,)).now_or_never().unwrap().unwrap();

    // While this runs, the connection can become findable, and then cannot enter its user's connections.
    shared.users.enter(USER, &handle, || {
        let registration = Registration { token: None, reattach: None, _seat: None };
        tokio::spawn(run(shared.clone(), handle.clone(), Io::Socket(None), HANDSHAKE.into(), registration));
        let start = Instant::now();
        while shared.store.connection(handle.id()).is_none() {
            assert!(start.elapsed() < PATIENCE, "it is never found");
            std::thread::yield_now();
        }
        say("too early");
        // The system is asked: the runtime may not have heard of what has come.
        let answer = socket2::SockRef::from(&client).peek(&mut [std::mem::MaybeUninit::uninit()]);
        let answer = answer.map_err(|error| error.kind());
        assert_eq!(answer, Err(ErrorKind::WouldBlock), "it is answered before it is a target");
        false
    });
    assert_eq!(read(&mut client, ANSWER.len()).await, ANSWER);
    assert_eq!(shared.users.members(USER, &[]), [handle]);
    say("heard");
    let said = b"{\"type\":1,\"target\":\"Said\",\"arguments\":[\"heard\"]}\x1e";
    assert_eq!(read(&mut client, 2 + said.len()).await[2..], *said);
}

/// A goodbye alone is no answer to a handshake.
#[tokio::test]
async fn who_is_ended_while_it_opens_has_its_answer_before_the_goodbye() {
    for reason in [CloseReason::Draining, CloseReason::TooSlow] {
        let server = HubServer::new("/hub", Hub::new(), Options::default());
        let (mut client, socket) = pair().await;
        let handle = connection(&server.shared, socket);
        let registered = Registered {
            server: server.shared.clone(),
            handle: handle.clone(),
            registration: Registration { token: None, reattach: None, _seat: None },
        };
        let mut driver = Driver::new(&registered, Io::Socket(None), Bytes::new(), clock::now());
        let (mut buffers, mut cx) = (Buffers::take(), Context::from_waker(std::task::Waker::noop()));
        let _ = driver.protocol.receive(&mut &b"{\"protocol\":\"json\",\"version\":1}\x1e"[..], clock::now());
        handle.end(reason.clone());
        driver.open(&mut buffers.output, clock::now(), &mut cx);
        driver.settle(&mut buffers.output, clock::now());
        assert!(driver.poll_end(&mut buffers.input, clock::now(), &mut cx).is_pending());
        let received = read(&mut client, ANSWER.len() + 1).await;
        assert_eq!(received[2..ANSWER.len()], ANSWER[2..], "{reason:?}");
        assert_eq!(received[ANSWER.len()], b'{', "{reason:?}: the goodbye");
    }
}

fn connection(shared: &Arc<Shared>, socket: TcpStream) -> ConnectionHandle {
    let outbox = Outbox::new(Some(socket), Drain::Task, shared.bounds.clone(), shared.metrics.clone(), clock::now());
    let user = Some(User::new(USER));
    ConnectionHandle::of(ConnectionId::random(), outbox, Who { user, context: None })
}

/// The client's end of a socket, and the server's.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (client, server) = (client.unwrap(), accepted.unwrap().0);
    server.writable().await.unwrap();
    (client, server)
}

async fn read(client: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    tokio::time::timeout(PATIENCE, client.read_exact(&mut bytes)).await.expect("it comes in time").unwrap();
    bytes
}

const USER: &str = "ann";

/// A masked frame whose mask changes nothing.
const HANDSHAKE: &[u8] = b"\x81\xa0\0\0\0\0{\"protocol\":\"json\",\"version\":1}\x1e";

const ANSWER: &[u8] = b"\x81\x03{}\x1e";

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
