use pushbench_wire::Transport;

use proptest::prelude::*;

use super::*;

const STARTED: f64 = 1_700_000_000.25;

fn interval(latencies_ns: &[u64]) -> Interval {
    let mut histogram = histogram();
    latencies_ns.iter().for_each(|&ns| histogram.saturating_record(ns));
    Interval { start_s: 0.125, length_s: 1.0, histogram }
}

fn log(latencies_ns: &[&[u64]]) -> LatencyLog {
    let entries = latencies_ns.iter().enumerate().map(|(index, latencies)| {
        let contender = Transport::ALL[index % Transport::ALL.len()];
        let start_s = index as f64 + 0.125;
        Entry::new(&contender.into(), 3, &Interval { start_s, ..interval(latencies) }).unwrap()
    });
    LatencyLog { entries: entries.collect() }
}

#[test]
fn what_is_written_reads_back() {
    let log = log(&[&[1, 400_000, 59_000_000_000], &[], &[1_000; 300], &[u64::MAX]]);
    assert_eq!(LatencyLog::decode(&log.encode(STARTED).unwrap()).unwrap(), log);
}

#[test]
fn an_entry_is_what_was_measured() {
    let latencies: Vec<u64> = (1..5_000).map(|n| n * 400).collect();
    let measured = Interval { start_s: 1.000_4, ..interval(&latencies) };
    let entry = Entry::new(&Transport::Polling.into(), 0, &measured).unwrap();
    assert_eq!(entry.histogram(), measured.histogram);
    assert_eq!((entry.samples, entry.start_s, entry.length_s), (4_999, 1.0, 1.0));
    assert!(entry.line.len() < 10_000, "{} bytes for a second", entry.line.len());
}

#[test]
fn the_file_is_what_other_tools_read() {
    let text = String::from_utf8(log(&[&[2_000_000]]).encode(STARTED).unwrap()).unwrap();
    assert!(text.contains("#[StartTime: 1700000000.250 (seconds since epoch)]\n"), "{text}");
    assert!(text.contains("#[BaseTime: 1700000000.250 (seconds since epoch)]\n"), "{text}");
    assert!(text.contains("\nTag=polling#3,0.125,1.000,2.001,HISTFAAAA"), "{text}");
}

#[test]
fn an_error_names_the_line() {
    let good = String::from_utf8(log(&[&[1], &[2]]).encode(STARTED).unwrap()).unwrap();
    let lines = good.lines().count();
    let last = format!("line {lines}: ");
    for (broken, message) in [
        (
            good.replace("Tag=long-polling#3", "Tag=long-polling#x"),
            "such as `sse#3`; it is `long-polling#x`",
        ),
        (good.replace("Tag=long-polling#3,", ""), "such as `sse#3`; it is ``"),
        (good[..good.len() - 1].to_owned(), "cut off"),
        (good.replace("Tag=long-polling#3,1.125", "Tag=long-polling#3,1e3"), "neither a comment"),
        (format!("{}!!!!\n", good.trim_end()), "cannot be read"),
    ] {
        let error = LatencyLog::decode(broken.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(&last) && error.contains(message), "{error}");
    }
}

#[test]
fn a_histogram_with_other_bounds_is_refused() {
    let mut other = Histogram::<u64>::new_with_bounds(1, 1 << 40, 3).unwrap();
    other.record(5).unwrap();
    let other = Interval { histogram: other, ..interval(&[]) };
    let error = Entry::new(&Transport::Polling.into(), 0, &other).unwrap_err().to_string();
    assert!(error.contains("other bounds"), "{error}");
}

#[test]
fn an_impossible_time_is_not_written() {
    let early = Interval { start_s: f64::NAN, ..interval(&[1]) };
    assert!(matches!(Entry::new(&Transport::Polling.into(), 0, &early), Err(Problem::Time(_))));
    assert!(matches!(log(&[]).encode(-1.0), Err(Problem::Time(_))));
}

/// A V2 histogram as a line, with any header and any counts.
fn line(payload_len: u32, digits: u32, high: u64, counts: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut v2 = Vec::new();
    v2.extend(0x1c84_9313_u32.to_be_bytes());
    v2.extend(payload_len.to_be_bytes());
    v2.extend(0_u32.to_be_bytes());
    v2.extend(digits.to_be_bytes());
    v2.extend(1_u64.to_be_bytes());
    v2.extend(high.to_be_bytes());
    v2.extend(1_f64.to_be_bytes());
    v2.extend(counts);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&v2).unwrap();
    let zlib = zlib.finish().unwrap();
    let mut bytes = 0x1c84_9314_u32.to_be_bytes().to_vec();
    bytes.extend((zlib.len() as u32).to_be_bytes());
    bytes.extend(zlib);
    format!("Tag=sse,0.000,1.000,1.000,{}\n", BASE64.encode(bytes)).into_bytes()
}

const HIGH: u64 = 60_000_000_000;

#[test]
fn a_hostile_histogram_is_an_error() {
    assert!(LatencyLog::decode(&line(2, 3, HIGH, &[0x02, 0x04])).is_ok(), "the frame is right");
    for (hostile, message) in [
        (line(u32::MAX, 3, HIGH, &[2]), "length"),
        (line(9, 3, HIGH, &[0xff; 9]), "impossible count"),
        (line(1, 5, u64::MAX, &[2]), "bounds"),
    ] {
        let error = LatencyLog::decode(&hostile).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_damaged_log_never_panics(
        latencies in prop::collection::vec(any::<u64>(), 0..40),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = log(&[&latencies, &[1]]).encode(STARTED).unwrap();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = LatencyLog::decode(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = LatencyLog::decode(&bytes);
    }

    #[test]
    fn damaged_counts_never_panic(counts in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = LatencyLog::decode(&line(counts.len() as u32, 3, HIGH, &counts));
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = LatencyLog::decode(&bytes);
    }
}
