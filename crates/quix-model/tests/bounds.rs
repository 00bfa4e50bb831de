//! What a hostile record may cost in memory: a multiple of its own bytes and of the limit, whatever it claims.

#![allow(clippy::unwrap_used, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use quix_model::{MergeLimits, Merger, Package, ReadLimits, Reading};

/// Counts what is held, and the most that was.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all work is the system allocator's; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(held, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test, so that no other allocates meanwhile.
#[test]
fn no_record_costs_more_than_its_bytes_and_the_limit_allow() {
    for (name, headers, value) in hostile() {
        let headers = headers.iter().map(|(name, value)| (*name, Some(value.as_bytes())));
        let cost = peak(|| {
            let package = Package::read_whole(LIMITS, None, headers.clone(), Some(&value)).unwrap();
            drop(package.data());
            drop(package.content());
        });
        // `{},` is an event of 80 bytes in memory and 50 in JSON, and lists grow by doubling.
        let allowed = 96 * value.len() + 8 * LIMITS.max_inflated_bytes;
        assert!(cost <= allowed, "{name}: {cost} bytes for {} sent, {allowed} allowed", value.len());
    }

    let limits = MergeLimits { max_bytes: 100_000, ..MergeLimits::default() };
    let cost = peak(|| {
        let mut merger = Merger::new(limits);
        for id in 0..50_000_u32 {
            let value = [&b"<"[..], &id.to_le_bytes(), b"/\0/\xff>", &[b'x'; 100]].concat();
            let Reading::Segment(segment) = Package::read(None, [], Some(&value)) else { panic!() };
            merger.add(0, 0, Some(b"key"), segment, || (), Instant::now());
        }
        assert!(merger.held_records() > 100);
    });
    assert!(cost < 6 * limits.max_bytes, "{cost}");
}

const LIMITS: ReadLimits = ReadLimits { max_inflated_bytes: 100_000 };

type Case = (&'static str, Vec<(&'static str, &'static str)>, Vec<u8>);

fn hostile() -> Vec<Case> {
    let data = |codec: &'static str| vec![("__Q_ModelKey", "ParameterData"), ("__Q_CodecId", codec)];
    let ones = vec!["1"; 20_000].join(",");
    let columns: String = (0..2_000).map(|n| format!("\"c{n}\":[],")).collect();
    let columns = columns.trim_end_matches(',');
    let texts = format!("{{\"K\":[\"{}\\n\"],\"V\":[0,[{}]]}}", "x".repeat(20_000), vec!["0"; 20_000].join(","));
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let declared = b"\x01\x05PB-Pd\x0dParameterData\x01\xff\xff\xff\x7f\x01a\x01b".to_vec();
    vec![
        ("short columns", data("JT"), format!("{{\"Timestamps\":[{ones}],\"NumericValues\":{{{columns}}}}}").into()),
        ("compact nulls", data("JT-PaDa-1"), format!("{{\"Timestamps\":[{ones}],\"Numerics\":{{{columns}}}}}").into()),
        ("compact skips", data("JT-PaDa-1"), br#"{"Timestamps":[1],"Numerics":{"n":[1000000000000,1.0]}}"#.to_vec()),
        (
            "compact texts",
            data("JT-PaDa-1"),
            format!("{{\"Timestamps\":[{ones}],\"Strings\":{{\"s\":{texts}}}}}").into(),
        ),
        ("gzip", data("[GZIP]JT"), gzip(&vec![b' '; 50_000_000])),
        ("gzip of nulls", data("[GZIP]JT-PaDa-1"), gzip(format!("{{\"Timestamps\":[{ones}]}}").as_bytes())),
        ("nesting", data("JT"), format!("{{\"x\":{}", "[".repeat(100_000)).into()),
        (
            "nested groups",
            vec![("__Q_ModelKey", "ParameterDefinitions"), ("__Q_CodecId", "JT")],
            "{\"ParameterGroups\":[".repeat(10_000).into(),
        ),
        ("declared pairs", Vec::new(), declared),
        ("declared length", data("PB-Pd"), b"\x12\xff\xff\xff\xff\x0f\x01".to_vec()),
        ("empty columns", data("PB-Pd"), b"\x1a\0".repeat(50_000)),
        ("empty texts", data("PB-Pd"), [&b"\x22\xd0\x0f"[..], &b"\x1a\0".repeat(1_000)].concat()),
        (
            "nulls",
            data("JT"),
            format!("{{\"Timestamps\":[],\"TagValues\":{{\"t\":[{}]}}}}", vec!["\"\""; 50_000].join(",")).into(),
        ),
        (
            "events",
            vec![("__Q_ModelKey", "EventData[]"), ("__Q_CodecId", "JT")],
            format!("[{}]", vec!["{}"; 50_000].join(",")).into(),
        ),
    ]
}

fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.load(Relaxed);
    PEAK.store(before, Relaxed);
    work();
    PEAK.load(Relaxed) - before
}
