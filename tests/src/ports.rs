//! Ports to come back to: for servers that are ended and started again at the same address.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that were free a moment ago, that nobody else in this process is given, and that no outgoing connection gets by
/// chance while nobody listens there: those have higher ones.
///
/// # Panics
/// When there is none.
pub fn lasting_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id() as usize * 97;
    [(); N].map(|()| {
        let candidate = |_| FIRST + ((begin + usize::from(NEXT.fetch_add(1, Ordering::Relaxed))) % COUNT) as u16;
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        (0..COUNT).map(candidate).find(free).expect("a free port")
    })
}

/// Below what systems give to outgoing connections by default, from 32,768 on.
const FIRST: u16 = 12_000;
const COUNT: usize = 20_000;
