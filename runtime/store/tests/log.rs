//! What the log repairs, what it refuses, and that it never loses silently.

mod support;

use proptest::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use support::{Folders, last_segment, segments, small_log};
use vwp_store::StoreError;
use vwp_store::log::{Log, LogReader};

const SEGMENT: u64 = 4096;

fn open(dir: &Path) -> Result<Log, StoreError> {
    Log::open(dir, small_log(SEGMENT))
}

/// Appends a record of one item whose payload tells its position.
fn append(log: &mut Log, length: usize) -> u64 {
    let position = log.next_position();
    let payload: Vec<u8> = position.to_le_bytes().into_iter().cycle().take(length).collect();
    log.append(1, |record| record.extend_from_slice(&payload)).unwrap()
}

/// A log with records of these lengths, closed.
fn written(dir: &Path, lengths: &[usize]) {
    let mut log = open(dir).unwrap();
    for length in lengths {
        append(&mut log, *length);
    }
}

/// The positions that a log holds; panics unless each payload is the one appended.
fn positions(reader: &LogReader, from: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let visited = reader.visit(from, |record| {
        let expected = record.first.to_le_bytes();
        assert!(
            record.payload.iter().zip(expected.iter().cycle()).all(|(found, expected)| found == expected)
        );
        found.push(record.first);
        Ok(true)
    });
    visited.unwrap();
    found
}

fn all(dir: &Path) -> Vec<u64> {
    positions(&open(dir).unwrap().reader(), 1)
}

fn flip(path: &Path, offset: u64, bit: u8) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], offset).unwrap();
}

/// Where the records of a segment end, found from its content.
fn content_length(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at as u64 + 1)
}

#[test]
fn what_was_appended_is_read_back_in_order_after_a_restart() {
    let folders = Folders::new();
    let dir = folders.next();
    written(&dir, &[0, 1, 7, 8, 100, 3000, 3000, 3000, 10_000, 5]);
    assert!(segments(&dir).len() > 3, "the log spans segments");
    assert_eq!(all(&dir), (1..=10).collect::<Vec<_>>());
    let mut log = open(&dir).unwrap();
    assert_eq!(append(&mut log, 50), 11);
    for from in 1..=11 {
        assert_eq!(positions(&log.reader(), from), (from..=11).collect::<Vec<_>>());
    }
}

#[test]
fn a_record_of_many_items_takes_as_many_positions() {
    let folders = Folders::new();
    let dir = folders.next();
    let mut log = open(&dir).unwrap();
    assert_eq!(log.append(3, |record| record.extend_from_slice(b"abc")).unwrap(), 1);
    assert_eq!(log.append(1, |record| record.extend_from_slice(b"d")).unwrap(), 4);
    let mut seen = Vec::new();
    let visit = log.reader().visit(2, |record| {
        seen.push((record.first, record.count, record.payload.to_vec()));
        Ok(true)
    });
    visit.unwrap();
    assert_eq!(seen, [(1, 3, b"abc".to_vec()), (4, 1, b"d".to_vec())], "position 2 is in the first record");
    assert!(log.append(0, |_| {}).is_err(), "a record holds at least one item");
}

#[test]
fn a_torn_last_record_is_cut_and_the_log_goes_on() {
    let folders = Folders::new();
    let dir = folders.next();
    written(&dir, &[100, 100, 100]);
    let before = folders.copy(&dir);
    let end = content_length(&last_segment(&dir));
    written(&dir, &[500]);
    let whole = std::fs::read(last_segment(&dir)).unwrap();
    for kept in [1, 4, 12, 23, 24, 25, 300, 510] {
        let crashed = folders.copy(&before);
        let at = end.next_multiple_of(8);
        let torn = &whole[usize::try_from(at).unwrap()..][..kept];
        let file = File::options().write(true).open(last_segment(&crashed)).unwrap();
        file.write_all_at(torn, at).unwrap();
        let mut log = open(&crashed).unwrap();
        assert_eq!(positions(&log.reader(), 1), [1, 2, 3], "{kept} bytes of the record were written");
        assert_eq!(append(&mut log, 10), 4);
        drop(log);
        assert_eq!(all(&crashed), [1, 2, 3, 4]);
    }
}

#[test]
fn a_damaged_record_with_another_after_it_is_refused() {
    let folders = Folders::new();
    let dir = folders.next();
    written(&dir, &[100, 100, 100]);
    for mark in [true, false] {
        for offset in [64, 70, 90, 187] {
            let damaged = folders.copy(&dir);
            if !mark {
                std::fs::remove_file(damaged.join("acknowledged")).unwrap();
            }
            flip(&last_segment(&damaged), offset, 0);
            let refused = open(&damaged).unwrap_err();
            assert!(matches!(refused, StoreError::Corrupt { .. }), "byte {offset}: {refused}");
            assert!(refused.to_string().contains(".log: damaged at byte 64"), "{refused}");
        }
    }
}

#[test]
fn zeros_in_place_of_acknowledged_records_are_refused() {
    let folders = Folders::new();
    let dir = folders.next();
    written(&dir, &[100, 100, 100, 100]);
    let file = File::options().write(true).open(last_segment(&dir)).unwrap();
    file.write_all_at(&[0; 128], 64).unwrap();
    std::fs::remove_file(dir.join("acknowledged")).unwrap();
    assert!(matches!(open(&dir).unwrap_err(), StoreError::Corrupt { .. }));
}

#[test]
fn an_acknowledged_last_record_that_is_damaged_or_missing_is_refused() {
    let folders = Folders::new();
    let dir = folders.next();
    written(&dir, &[100, 100]);
    let damaged = folders.copy(&dir);
    flip(&last_segment(&damaged), 250, 3);
    assert!(matches!(open(&damaged).unwrap_err(), StoreError::Corrupt { .. }));
    let cut = folders.copy(&dir);
    File::options().write(true).open(last_segment(&cut)).unwrap().set_len(190).unwrap();
    assert!(matches!(open(&cut).unwrap_err(), StoreError::Corrupt { .. }));
}

#[test]
fn a_missing_segment_is_refused_wherever_it_was() {
    let folders = Folders::new();
    let dir = folders.next();
    written(&dir, &[3000, 3000, 3000]);
    let names: Vec<_> = segments(&dir).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 3);
    for name in &names {
        let broken = folders.copy(&dir);
        std::fs::remove_file(broken.join(name)).unwrap();
        assert!(matches!(open(&broken).unwrap_err(), StoreError::Corrupt { .. }), "{}", name.display());
    }
    for name in names {
        std::fs::remove_file(dir.join(name)).unwrap();
    }
    assert!(matches!(open(&dir).unwrap_err(), StoreError::LostData { .. }), "an empty folder is a loss too");
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let folders = Folders::new();
    let (one, other) = (folders.next(), folders.next());
    written(&one, &[3000, 3000]);
    written(&other, &[3000, 3000]);
    let name = last_segment(&one);
    std::fs::copy(other.join(name.file_name().unwrap()), &name).unwrap();
    assert!(open(&one).unwrap_err().to_string().contains("another log"));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let folders = Folders::new();
    let dir = folders.next();
    written(&dir, &[1]);
    let file = File::options().write(true).open(last_segment(&dir)).unwrap();
    file.write_all_at(&2_u32.to_le_bytes(), 8).unwrap();
    let refused = open(&dir).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 2, supported: 1, .. }), "{refused}");
}

#[test]
fn a_log_is_open_once_at_a_time() {
    let folders = Folders::new();
    let dir = folders.next();
    let log = open(&dir).unwrap();
    assert!(matches!(open(&dir).unwrap_err(), StoreError::Locked { .. }));
    drop(log);
    open(&dir).unwrap();
}

#[test]
fn pruning_removes_whole_segments_and_is_remembered() {
    let folders = Folders::new();
    let dir = folders.next();
    let mut log = open(&dir).unwrap();
    for _ in 0..6 {
        append(&mut log, 3000);
    }
    let unpruned = folders.copy(&dir);
    log.prune(4).unwrap();
    assert_eq!(log.first_position(), 4);
    assert_eq!(positions(&log.reader(), 1), [4, 5, 6]);
    log.prune(100).unwrap();
    assert_eq!(positions(&log.reader(), 1), [6], "the last segment always stays");
    drop(log);
    assert_eq!(all(&dir), [6]);
    // A crash between the note and the removal leaves segments, which then go.
    let resumed = folders.copy(&unpruned);
    std::fs::copy(dir.join("acknowledged"), resumed.join("acknowledged")).unwrap();
    assert_eq!(all(&resumed), [6]);
    std::fs::remove_file(last_segment(&dir)).unwrap();
    assert!(open(&dir).is_err());
}

#[test]
fn a_reader_sees_only_what_is_acknowledged() {
    let folders = Folders::new();
    let dir = folders.next();
    let mut log = open(&dir).unwrap();
    let reader = log.reader();
    assert_eq!(positions(&reader, 1), []);
    for position in 1..=40 {
        append(&mut log, 500);
        assert_eq!(positions(&reader, position), [position]);
        assert_eq!(reader.next_position(), position + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// One flipped bit anywhere in the files is refused, or harms nothing.
    #[test]
    fn a_flipped_bit_is_refused_or_harmless(
        lengths in prop::collection::vec(0_usize..1500, 1..12),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
        in_mark in prop::bool::weighted(0.1),
        anywhere in any::<bool>(),
    ) {
        let folders = Folders::new();
        let dir = folders.next();
        written(&dir, &lengths);
        let mut files = segments(&dir);
        if in_mark {
            files = vec![dir.join("acknowledged")];
        }
        let path = &files[at.index(files.len())];
        let length = if anywhere { std::fs::metadata(path).unwrap().len() } else { content_length(path) };
        flip(path, at.index(usize::try_from(length).unwrap()) as u64, bit);
        match open(&dir) {
            Ok(log) => prop_assert_eq!(positions(&log.reader(), 1), (1..=lengths.len() as u64).collect::<Vec<_>>()),
            Err(StoreError::Corrupt { .. } | StoreError::Newer { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    /// A crash while a record is written leaves any part of it on the disk, sector by
    /// sector; what was acknowledged before is there, and the record is whole or gone.
    #[test]
    fn a_crash_in_an_append_keeps_what_was_acknowledged(
        lengths in prop::collection::vec(0_usize..1500, 0..8),
        last in 0_usize..6000,
        written_sectors in prop::collection::vec(any::<bool>(), 24),
        power in any::<bool>(),
    ) {
        let folders = Folders::new();
        let dir = folders.next();
        written(&dir, &lengths);
        let before = folders.copy(&dir);
        written(&dir, &[last]);
        let crashed = folders.copy(&before);
        let target = crashed.join(last_segment(&dir).file_name().unwrap());
        let after = std::fs::read(last_segment(&dir)).unwrap();
        if !target.exists() {
            // The new segment was complete before anything was written to it.
            std::fs::write(&target, &after[..64]).unwrap();
        }
        let file = File::options().write(true).open(&target).unwrap();
        let start = usize::try_from(content_length(&target)).unwrap() / 512;
        for (sector, bytes) in after.chunks(512).enumerate().skip(start) {
            if written_sectors.get(sector - start) == Some(&true) {
                file.write_all_at(bytes, sector as u64 * 512).unwrap();
            }
        }
        if power {
            std::fs::remove_file(crashed.join("acknowledged")).unwrap();
        }
        let log = open(&crashed).unwrap();
        let found = positions(&log.reader(), 1);
        let acknowledged: Vec<_> = (1..=lengths.len() as u64).collect();
        prop_assert!(found.starts_with(&acknowledged) && found.len() <= acknowledged.len() + 1, "{found:?}");
    }
}
