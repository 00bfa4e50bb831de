//! What a process uses: CPU time by its own accounting, memory as the kernel counts it.

use std::io;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;

/// The CPU clock of a process: nanoseconds used by all its threads, ended ones included.
#[derive(Debug, Clone, Copy)]
pub struct CpuClock(ClockId);

/// CPU used up to a moment, by the server, by this program, and by the whole machine.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    at: Instant,
    server: Option<Duration>,
    own: Duration,
    machine: Duration,
}

/// CPU used between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Consumption {
    /// Seconds of CPU the server used.
    pub server_cpu_s: Option<f64>,
    /// Cores the server kept busy.
    pub server_cores: Option<f64>,
    /// Cores this program kept busy. It has one thread: near 1 it, and not the server, was the limit.
    pub client_cores: f64,
    /// Cores that anything else kept busy; includes the server if its process id is not known.
    pub other_cores: f64,
}

impl CpuClock {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self(clock_getcpuclockid(Pid::from_raw(pid as i32))?))
    }

    /// CPU time used so far.
    pub fn read(self) -> io::Result<Duration> {
        Ok(clock_gettime(self.0)?.into())
    }
}

impl Usage {
    /// Up to now.
    pub fn now(server: Option<CpuClock>) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server: server.map(CpuClock::read).transpose()?,
            own: clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into(),
            machine: busy(&std::fs::read_to_string("/proc/stat")?),
        })
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Consumption {
        let elapsed = (self.at - earlier.at).as_secs_f64().max(1e-9);
        let own = self.own.saturating_sub(earlier.own).as_secs_f64();
        let machine = self.machine.saturating_sub(earlier.machine).as_secs_f64();
        let server = match (self.server, earlier.server) {
            (Some(now), Some(then)) => Some(now.saturating_sub(then).as_secs_f64()),
            _ => None,
        };
        Consumption {
            server_cpu_s: server,
            server_cores: server.map(|cpu| cpu / elapsed),
            client_cores: own / elapsed,
            other_cores: ((machine - own - server.unwrap_or(0.0)) / elapsed).max(0.0),
        }
    }
}

/// Resident bytes of the process `pid`.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    // The rolled-up map is exact; `status` is off by up to some hundred KiB per core.
    let exact = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
    let text = match exact {
        Ok(text) => text,
        Err(_) => std::fs::read_to_string(format!("/proc/{pid}/status"))?,
    };
    let kibibytes = ["Rss:", "VmRSS:"].iter().find_map(|name| kibibytes(&text, name));
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "no resident size given");
    Ok(kibibytes.ok_or_else(missing)? * 1024)
}

/// Allows as many open files as the system lets this process, and those it starts, have.
pub fn raise_file_limit() -> io::Result<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

/// Busy time of all cores, from the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn busy(stat: &str) -> Duration {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).flat_map(str::parse).collect();
    let busy: u64 = [0, 1, 2, 5, 6].iter().filter_map(|index| ticks.get(*index)).sum();
    // USER_HZ is 100 on every Linux.
    Duration::from_millis(busy * 10)
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_texts_are_read() {
        let stat = "cpu  100 1 50 9999 77 3 4 8 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(busy(stat), Duration::from_millis(1580));
        let rollup = "00-ff ---p 00000000 00:00 0 [rollup]\nRss:    1234 kB\nPss: 9 kB\n";
        assert_eq!(kibibytes(rollup, "Rss:"), Some(1234));
    }

    #[test]
    fn a_process_s_cpu_clock_runs_while_it_works() {
        let clock = CpuClock::of(std::process::id()).unwrap();
        let before = clock.read().unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(30) {}
        assert!(clock.read().unwrap() - before >= Duration::from_millis(5));
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
    }
}
