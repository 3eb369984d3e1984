//! A cache with faults in its files: what is read is what was stored, or nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};
use serde_json::{Value, json};
use tempfile::TempDir;
use trommel_engine::cache::{
    Cache, ChunkEntry, Existence, Manifest, Piece, PortEntry, RowIndex, TableEntry,
};
use trommel_engine::table::{Digest, RowDigest};

use super::mutate::{change_a_byte, insert, some_range};
use super::repeat;
use crate::support::Random;

/// A small cache, what is in it, and the bytes of its files.
struct Stored {
    folder: TempDir,
    batch: RecordBatch,
    piece: Piece,
    manifest: Manifest,
    table: Value,
    chunk: Value,
    rows: Vec<RowDigest>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

const TABLE: &[u8] = b"table";
const CHUNK: &[u8] = b"chunk";

impl Stored {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let batch = batch();
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        let piece = cache.put(&batch).expect("stored").piece;
        let fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
        let mut manifest = Manifest::new("kind.of", 3, json!({ "count": 5, "name": "é" }));
        let column = BTreeMap::from([("column".to_owned(), Digest::of_bytes(b"column"))]);
        manifest.inputs.insert("input".to_owned(), column);
        let table = TableEntry {
            manifest: manifest.clone(),
            ports: vec![PortEntry {
                name: "rows".to_owned(),
                fields: fields.clone(),
                pieces: vec![piece.clone()],
                blobs: Vec::new(),
            }],
            existence: true,
            quarantined: None,
            seconds: 1.5,
        };
        let here = Existence(vec![(folder.path().to_owned(), true)]);
        cache
            .put_table(Digest::of_bytes(TABLE), &table, &here)
            .expect("stored");
        let chunk = ChunkEntry {
            fields,
            piece: piece.clone(),
        };
        cache
            .put_chunk(Digest::of_bytes(CHUNK), &chunk)
            .expect("stored");
        let rows: Vec<RowDigest> = (1..=batch.num_rows() as u8).map(|row| [row; 16]).collect();
        RowIndex::default()
            .publish(
                &cache,
                manifest.identity(),
                Digest::of_bytes(CHUNK),
                piece.object,
                &rows,
                &[2],
            )
            .expect("stored");
        cache.put_note("last", "node", &manifest).expect("stored");
        let mut stored = Self {
            table: json!(table),
            chunk: json!(chunk),
            files: BTreeMap::new(),
            folder,
            batch,
            piece,
            manifest,
            rows,
        };
        stored.look();
        stored.files = files_below(&stored.root());
        assert!(stored.files.len() >= 6, "{:?}", stored.files.keys());
        stored
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Looks at everything; gives how much of it was there.
    fn look(&self) -> usize {
        let cache = Cache::open(self.root()).expect("a cache");
        let mut there = 0;
        if let Some(table) = cache.table(Digest::of_bytes(TABLE)) {
            assert_eq!(json!(table), self.table);
            there += 1;
        }
        if let Some(chunk) = cache.chunk(Digest::of_bytes(CHUNK)) {
            assert_eq!(json!(chunk), self.chunk);
            there += 1;
        }
        if let Some(manifest) = cache.note::<Manifest>("last", "node") {
            assert_eq!(manifest, self.manifest);
            there += 1;
        }
        let index = RowIndex::load(&cache, self.manifest.identity());
        for (row, digest) in self.rows.iter().enumerate() {
            if let Some(place) = index.find(digest) {
                assert_eq!((place.object, place.row), (self.piece.object, row));
                assert_ne!(row, 2, "this row failed");
                there += 1;
            }
        }
        for (column, expected) in cache.columns(&self.piece).iter().zip(self.batch.columns()) {
            if let Ok(array) = column.array() {
                assert_eq!(&array, expected, "other content");
                there += 1;
            }
        }
        there
    }
}

fn batch() -> RecordBatch {
    let columns: [(&str, ArrayRef); 3] = [
        (
            "whole",
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)])),
        ),
        (
            "part",
            Arc::new(Float32Array::from(vec![0.5, 1.5, -2.5, 3.5])),
        ),
        (
            "text",
            Arc::new(StringArray::from(vec!["a", "", "ccc", "é"])),
        ),
    ];
    RecordBatch::try_from_iter(columns).expect("a batch")
}

fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            let bytes = fs::read(&path).expect("a file");
            files.insert(path, bytes);
        }
    }
    files
}

#[test]
fn a_broken_cache_gives_what_was_stored_or_nothing() {
    let stored = Stored::new();
    let whole = stored.look();
    assert_eq!(whole, 3 + 3 + 3, "all is there");
    let paths: Vec<&PathBuf> = stored.files.keys().collect();
    let mut random = Random::new();
    repeat("cache files", 4000, |story| {
        let path = *random.pick(&paths);
        let mut bytes = stored.files[path].clone();
        for _ in 0..=random.below(3) {
            match random.below(4) {
                0 => {
                    let range = some_range(&bytes, 30, &mut random);
                    bytes.drain(range);
                }
                1 => {
                    let byte = random.below(256) as u8;
                    insert(&mut bytes, &[byte], &mut random);
                }
                _ => change_a_byte(&mut bytes, &mut random),
            }
        }
        *story = format!("{}: {}", path.display(), String::from_utf8_lossy(&bytes));
        fs::write(path, &bytes).expect("written");
        stored.look();
        // What was set aside is put back.
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, &stored.files[path]).expect("written");
    });
    assert_eq!(stored.look(), whole, "all is there again");
}

#[test]
fn a_broken_memory_of_files_gives_their_digests_or_makes_them_anew() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path().join("cache");
    let paths: Vec<PathBuf> = (0..5)
        .map(|n| folder.path().join(format!("file-{n}")))
        .collect();
    for (number, path) in paths.iter().enumerate() {
        fs::write(path, vec![b'x'; number]).expect("written");
    }
    // A file that was changed just now is not remembered.
    std::thread::sleep(std::time::Duration::from_millis(120));
    let digests = |cache: &Cache| -> Vec<Digest> {
        let digest = |path: &PathBuf| cache.files.digest(path).expect("a digest");
        paths.iter().map(digest).collect()
    };
    let cache = Cache::open(&root).expect("a cache");
    let expected = digests(&cache);
    cache.files.save().expect("saved");
    let memory = root.join("files");
    let saved = fs::read(&memory).expect("the memory");
    assert!(!saved.is_empty());
    let mut random = Random::new();
    repeat("memories of files", 2000, |story| {
        let mut bytes = saved.clone();
        change_a_byte(&mut bytes, &mut random);
        if random.below(3) == 0 {
            let range = some_range(&bytes, 100, &mut random);
            bytes.drain(range);
        }
        *story = String::from_utf8_lossy(&bytes).into_owned();
        fs::write(&memory, &bytes).expect("written");
        assert_eq!(digests(&Cache::open(&root).expect("a cache")), expected);
    });
}
