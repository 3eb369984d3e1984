//! A collection never removes what is in use, whatever lies in the cache.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::cache::{
    Cache, ChunkEntry, Existence, Manifest, Piece, PortEntry, RowIndex, TableEntry,
};
use crate::table::Digest;

fn batch(number: u64) -> RecordBatch {
    let column: ArrayRef = Arc::new(UInt64Array::from_iter_values(number..number + 200));
    RecordBatch::try_from_iter([("unique_idx", column)]).unwrap()
}

/// The manifest of the table of this number.
fn manifest(number: usize) -> Manifest {
    Manifest::new("kind", 1, json!({ "number": number }))
}

fn key(number: usize) -> Digest {
    manifest(number).key()
}

fn put(cache: &Cache, object: u8) -> Piece {
    cache.put(&batch(u64::from(object) * 1000)).unwrap().piece
}

fn put_table(cache: &Cache, number: usize, objects: &[u8]) {
    let pieces = objects.iter().map(|object| put(cache, *object)).collect();
    let port = PortEntry {
        name: "rows".into(),
        fields: batch(0).schema().fields().to_vec(),
        pieces,
        blobs: Vec::new(),
    };
    let entry = TableEntry {
        manifest: manifest(number),
        ports: vec![port],
        existence: false,
        quarantined: None,
        seconds: 1.0,
    };
    cache
        .put_table(key(number), &entry, &Existence::default())
        .unwrap();
}

/// A chunk and its index of rows, under the key of this number.
fn put_chunk(cache: &Cache, number: usize, object: u8) {
    let piece = put(cache, object);
    let identity = Digest::of_bytes(b"identity");
    let rows: Vec<[u8; 16]> = (0..200_u8).map(|row| [row + 1; 16]).collect();
    RowIndex::default()
        .publish(cache, identity, key(number), piece.object, &rows, &[])
        .unwrap();
    let fields = batch(0).schema().fields().to_vec();
    cache
        .put_chunk(key(number), &ChunkEntry { fields, piece })
        .unwrap();
}

/// The record of a run; the later ones have the greater number.
fn put_run(root: &Path, number: usize, pipeline: &str, state: &str, tables: &[usize]) {
    let id = format!("{number:04}");
    let folder = root.join("runs").join(&id);
    fs::create_dir_all(&folder).unwrap();
    let nodes: HashMap<String, _> = tables
        .iter()
        .map(|table| (format!("node{table}"), json!({
            "place": 0, "kind": "kind", "state": "done", "key": key(*table), "why": "", "rows": 1, "computed": 1,
            "quarantined": 0, "start": 0.0, "seconds": 1.0, "chunks": { "count": 0, "seconds": 0.0, "slowest": 0.0, "each": [] },
        })))
        .collect();
    let account = json!({
        "id": id, "state": state, "started": "", "seconds": 1.0, "version": "", "system": "", "processors": 1,
        "process": 1, "jobs": 1, "device": "cpu", "pipeline": pipeline, "file": "p.yaml", "params": {},
        "peak_memory": null, "workers": [], "nodes": nodes, "outputs": [],
    });
    fs::write(folder.join("run.json"), account.to_string()).unwrap();
    fs::write(folder.join("events.jsonl"), "").unwrap();
}

/// Everything seems to have been written so long ago.
fn age(root: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
    for place in inventory::files_below(root) {
        let file = File::options().write(true).open(place.path).unwrap();
        file.set_modified(then).unwrap();
    }
}

fn collected(root: &Path, keep: &Keep) -> Garbage {
    let alone = Alone::open(root, false).unwrap();
    let garbage = alone.garbage(keep);
    alone.remove(&garbage).unwrap();
    garbage
}

fn keep_runs(runs: usize) -> Keep {
    Keep {
        runs,
        ..Keep::default()
    }
}

#[test]
fn what_the_last_runs_used_stays_and_the_rest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let cache = Cache::open(root).unwrap();
    put_table(&cache, 1, &[1, 2]);
    put_table(&cache, 2, &[2, 3]);
    put_chunk(&cache, 1, 1);
    put_chunk(&cache, 2, 3);
    put_run(root, 1, "p", "done", &[1]);
    put_run(root, 2, "p", "done", &[2]);
    drop(cache);
    age(root, 3);
    let before = inventory::files_below(root).len();
    let dry = Cache::open(root).unwrap().garbage(&keep_runs(1));
    assert_eq!(
        dry.tables.len() + dry.chunks.len() + dry.rows.len() + dry.objects.len(),
        4
    );
    let after = inventory::files_below(root).len();
    assert!(
        after <= before + 1,
        "only a lock may be new: {after} after {before}"
    );
    assert!(collected(root, &keep_runs(2)).is_empty());
    let garbage = collected(root, &keep_runs(1));
    assert_eq!(garbage.bytes, dry.bytes);
    let cache = Cache::open(root).unwrap();
    assert!(cache.table(key(1)).is_none() && cache.table(key(2)).is_some());
    assert!(cache.chunk(key(1)).is_none() && cache.chunk(key(2)).is_some());
    assert!(cache.garbage(&keep_runs(1)).is_empty());
}

#[test]
fn every_pipeline_has_its_last_runs() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let cache = Cache::open(root).unwrap();
    for number in 0..4 {
        put_table(&cache, number, &[number as u8]);
    }
    put_run(root, 1, "a", "done", &[0]);
    put_run(root, 2, "b", "done", &[1]);
    put_run(root, 3, "b", "done", &[2]);
    drop(cache);
    age(root, 3);
    let keys = HashSet::from([key(3)]);
    collected(
        root,
        &Keep {
            keys,
            ..keep_runs(1)
        },
    );
    let cache = Cache::open(root).unwrap();
    let left: Vec<bool> = (0..4).map(|n| cache.table(key(n)).is_some()).collect();
    assert_eq!(left, [true, false, true, true]);
}

#[test]
fn what_a_crashed_run_has_made_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let cache = Cache::open(root).unwrap();
    put_table(&cache, 1, &[1]);
    put_run(root, 1, "p", "done", &[1]);
    put_chunk(&cache, 7, 7);
    age(root, 3);
    // Its record is as it was at the start; of two nodes, one came to its end.
    put_run(root, 2, "p", "running", &[]);
    let event = json!({
        "at": 1.0, "event": "node_done", "node": "node2", "rows": 1, "computed": 1, "quarantined": 0, "seconds": 1.0,
        "key": key(2),
    });
    fs::write(
        root.join("runs/0002/events.jsonl"),
        format!("{event}\n{{\"cut"),
    )
    .unwrap();
    put_table(&cache, 2, &[2]);
    put_chunk(&cache, 3, 3);
    drop(cache);
    // One run more that failed at once.
    put_run(root, 3, "p", "failed", &[]);
    fs::create_dir_all(root.join("scratch/left")).unwrap();
    fs::write(root.join("scratch/left/file"), "left").unwrap();
    let garbage = collected(root, &Keep::default());
    assert_eq!(
        (
            garbage.chunks.len(),
            garbage.rows.len(),
            garbage.objects.len()
        ),
        (1, 1, 1)
    );
    let cache = Cache::open(root).unwrap();
    assert!(cache.table(key(2)).is_some() && cache.chunk(key(3)).is_some());
    assert!(cache.chunk(key(7)).is_none() && !root.join("scratch/left").exists());
}

#[test]
fn the_oldest_goes_first_until_it_fits() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let cache = Cache::open(root).unwrap();
    for number in 0..4 {
        put_table(&cache, number, &[number as u8]);
        age(root, 10 - number as u64);
    }
    put_run(root, 1, "p", "done", &[0]);
    age(&root.join("runs"), 20);
    for (number, days) in [(0, 10), (1, 7), (2, 9), (3, 8)] {
        age_table(&cache, number, days);
    }
    let all = cache.garbage(&Keep::default());
    assert_eq!(all.tables.len(), 3);
    let one = (all.bytes_before - 1, 1);
    let two = (all.bytes_before - all.bytes / 3 - 10, 2);
    for (most, gone) in [one, two, (1, 3), (all.bytes_before, 0)] {
        let max_bytes = Some(most);
        let garbage = cache.garbage(&Keep {
            max_bytes,
            ..Keep::default()
        });
        let expected = [2, 3, 1].map(|n| cache.table_path(key(n)));
        assert_eq!(garbage.tables, expected[..gone], "{most}");
        assert!(gone == 3 || garbage.bytes_before - garbage.bytes <= most);
        assert!(
            garbage.bytes_needed > 1,
            "what is needed alone is more than that"
        );
    }
    let younger_than = Some(Duration::from_hours(200));
    let garbage = cache.garbage(&Keep {
        younger_than,
        ..Keep::default()
    });
    assert_eq!(garbage.tables, [cache.table_path(key(2))]);
}

fn age_table(cache: &Cache, number: usize, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
    let entry = cache.table(key(number)).unwrap();
    let objects = entry.pieces().map(|p| cache.object_path(p.object));
    for path in objects.chain([cache.table_path(key(number))]) {
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(then)
            .unwrap();
    }
}

#[test]
fn usage_counts_shared_objects_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    put_table(&cache, 1, &[1, 2]);
    put_table(&cache, 2, &[2]);
    put_chunk(&cache, 3, 3);
    put_run(folder.path(), 1, "p", "done", &[1]);
    let usage = cache.usage();
    let objects = usage.groups["objects"];
    assert_eq!(objects.count, 3);
    let of_tables = usage.kinds["kind"];
    assert_eq!(of_tables.count, 2);
    assert_eq!(
        of_tables.bytes + usage.kinds["(no table)"].bytes,
        objects.bytes
    );
    let listed = cache.list();
    assert_eq!(listed.len(), 2);
    let first = listed.iter().find(|l| l.key == key(1)).unwrap();
    assert_eq!(
        (first.rows, first.missing, &first.nodes[..]),
        (400, 0, &["p/node1".to_owned()][..])
    );
}

#[test]
fn verification_finds_and_sets_aside() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    put_table(&cache, 1, &[1]);
    put_table(&cache, 2, &[2]);
    put_chunk(&cache, 3, 2);
    let whole = cache.verify_all(2);
    assert!(whole.faults.is_empty(), "{:?}", whole.faults);
    assert_eq!((whole.objects, whole.entries), (2, 4));
    let object = cache.table(key(1)).unwrap().pieces().next().unwrap().object;
    let mut bytes = fs::read(cache.object_path(object)).unwrap();
    let at = bytes
        .windows(8)
        .position(|w| w == 1100_u64.to_le_bytes())
        .unwrap();
    bytes[at + 3] ^= 4;
    fs::write(cache.object_path(object), bytes).unwrap();
    let found = cache.verify_all(2);
    let reasons: Vec<&str> = found.faults.iter().map(|f| f.reason.as_str()).collect();
    let gone = format!("names the object {object}, which is not there");
    assert_eq!(
        reasons,
        ["its content is not what was stored", gone.as_str()]
    );
    assert!(found.faults.iter().all(|f| f.set_aside));
    assert!(cache.verify_all(1).faults.is_empty());
    assert!(cache.table(key(2)).is_some() && cache.chunk(key(3)).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_reachable_is_never_removed(
        tables in proptest::collection::vec(proptest::collection::vec(0..12_u8, 0..4), 1..8),
        chunks in proptest::collection::vec(0..12_u8, 0..6),
        runs in proptest::collection::vec(
            (0..3_usize, any::<bool>(), proptest::collection::vec(0..8_usize, 0..4)), 1..6),
        keep in 1..4_usize,
        most in proptest::option::of(0..60_000_u64),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let cache = Cache::open(root).unwrap();
        for (number, objects) in tables.iter().enumerate() {
            put_table(&cache, number, objects);
        }
        for (number, object) in chunks.iter().enumerate() {
            put_chunk(&cache, number, *object);
        }
        age(root, 3);
        let mut counts: HashMap<usize, usize> = HashMap::new();
        let mut reachable = BTreeSet::new();
        for (number, (pipeline, done, used)) in runs.iter().enumerate().rev() {
            let used: Vec<usize> = used.iter().copied().filter(|t| *t < tables.len()).collect();
            let state = if *done { "done" } else { "failed" };
            put_run(root, number, &pipeline.to_string(), state, &used);
            let count = counts.entry(*pipeline).or_default();
            *count += 1;
            if *count <= keep {
                reachable.extend(used);
            }
        }
        drop(cache);
        let garbage = collected(root, &Keep { max_bytes: most, ..keep_runs(keep) });
        let cache = Cache::open(root).unwrap();
        for (number, objects) in tables.iter().enumerate() {
            let there = cache.table(key(number)).is_some();
            prop_assert!(there || !reachable.contains(&number), "table {number}");
            // Without a limit, what is not reachable goes.
            prop_assert!(!there || most.is_some() || reachable.contains(&number), "table {number}");
            prop_assert!(there || !objects.is_empty() || !cache.table_path(key(number)).exists());
        }
        prop_assert!(garbage.bytes <= garbage.bytes_before);
        prop_assert!(cache.verify_all(1).faults.is_empty(), "nothing is left that names what is gone");
        if let Some(most) = most {
            let left: u64 = inventory::files_below(root).iter().map(|f| f.bytes).sum();
            let again = cache.garbage(&keep_runs(keep));
            prop_assert!(left <= most + 200 || again.tables.is_empty() && again.objects.is_empty());
        }
    }
}
