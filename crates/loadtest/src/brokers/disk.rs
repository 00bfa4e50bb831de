//! What a sync takes here: 4 KiB written behind the last and `fdatasync`, over and over.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use loadtest::load::latency::{Latencies, Summary};
use rustix::fs::{FallocateFlags, fallocate};
use serde::Serialize;

/// One measurement of the disk.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Disk {
    /// In a file whose space was taken before, as logs do.
    pub(crate) preallocated: Summary,
    /// In a file that grows with each write.
    pub(crate) growing: Summary,
}

impl Disk {
    /// Measures in a folder, for `time` each.
    pub(crate) fn measure(folder: &Path, time: Duration) -> std::io::Result<Self> {
        let path = folder.join("sync");
        let measure = |preallocated| {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
            if preallocated {
                fallocate(&file, FallocateFlags::empty(), 0, MOST)?;
                file.sync_all()?;
            }
            let summary = appends(&file, time);
            std::fs::remove_file(&path)?;
            summary
        };
        Ok(Self { preallocated: measure(true)?, growing: measure(false)? })
    }
}

fn appends(file: &File, time: Duration) -> std::io::Result<Summary> {
    let (block, mut latencies, start) = ([b'x'; BLOCK], Latencies::new(), Instant::now());
    for position in (0..MOST).step_by(BLOCK) {
        let begun = start.elapsed();
        if begun > time {
            break;
        }
        file.write_all_at(&block, position)?;
        file.sync_data()?;
        latencies.record(begun.as_nanos() as u64, start.elapsed().as_nanos() as u64);
    }
    Ok(latencies.summary())
}

const BLOCK: usize = 4096;
const MOST: u64 = 256 << 20;
