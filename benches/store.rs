//! How long storing a table takes beside writing the same bytes plainly, and reading it by memory map.
//!
//! `bench_store [FOLDER]`. The table has 158,000 rows of 1,536 f32 (0.97 GB). Plain is one
//! file, written and flushed (fsync). Both go to FOLDER (else the folder for temporary files), which decides what is measured.

#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type};
use trommel_benches::seconds;
use trommel_engine::cache::{Cache, Existence, Manifest, PortEntry, TableEntry, Verify};
use trommel_engine::table::{CHUNK_ROWS, Chunk, Digest, Table, array_digest};

const ROWS: usize = 158_000;
const WIDTH: usize = 1536;
const ROUNDS: usize = 3;

fn main() {
    let given = std::env::args().nth(1);
    let given = given.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(given).expect("a folder");
    let batches = table();
    let bytes: usize = batches.iter().map(|b| floats(b).len() * 4).sum();
    let gb = bytes as f64 / 1e9;
    println!(
        "{gb:.2} GB in {} chunks, {}",
        batches.len(),
        folder.path().display()
    );

    let digesting = seconds(|| {
        for batch in &batches {
            std::hint::black_box(array_digest(batch.column(0)));
        }
    });
    println!(
        "digests alone          {digesting:>7.2} s  {:>6.2} GB/s",
        gb / digesting
    );

    let (mut plain, mut by_chunk, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    let cache_folder = folder.path().join("cache");
    for round in 0..ROUNDS {
        plain.push(seconds(|| write_plainly(folder.path(), &batches)));
        by_chunk.push(seconds(|| write_by_chunk(folder.path(), &batches)));
        let _ = fs::remove_dir_all(&cache_folder);
        stored.push(seconds(|| store(&cache_folder, &batches)));
        println!(
            "round {round}: plain {:.2} s, plain by chunk {:.2} s, stored {:.2} s",
            plain[round], by_chunk[round], stored[round]
        );
    }
    let (plain, by_chunk, stored) = (median(plain), median(by_chunk), median(stored));
    println!(
        "plain, one file        {plain:>7.2} s  {:>6.2} GB/s",
        gb / plain
    );
    println!(
        "plain, a file a chunk  {by_chunk:>7.2} s  {:>6.2} GB/s",
        gb / by_chunk
    );
    println!(
        "digested and stored    {stored:>7.2} s  {:>6.2} GB/s",
        gb / stored
    );
    println!("stored / plain         {:>7.2}", stored / plain);

    let mut first = 0.0;
    let to_first = seconds(|| first = first_value(&cache_folder, Verify::Read));
    assert!((first - f64::from(value(0))).abs() < 1e-9);
    println!(
        "to the first row       {:>7.2} ms (open, look up, map, check its chunk)",
        to_first * 1e3
    );
    for (verify, name) in [
        (Verify::Read, "read and checked"),
        (Verify::Never, "read, not checked"),
    ] {
        let mut sum = 0.0;
        let took = seconds(|| sum = sum_of(&cache_folder, verify));
        std::hint::black_box(sum);
        println!("{name:<22} {took:>7.2} s  {:>6.2} GB/s", gb / took);
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cache = Cache::open(&cache_folder).expect("a cache");
    let verified = cache.verify_all(threads);
    assert!(verified.faults.is_empty());
    let took = verified.seconds;
    println!(
        "cache verify           {took:>7.2} s  {:>6.2} GB/s on {threads} threads",
        gb / took
    );
}

/// Some number for each place, the same in every run and not compressible.
fn value(place: usize) -> f32 {
    let mixed = (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as f32 / (1 << 24) as f32
}

fn table() -> Vec<RecordBatch> {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let chunk = |start: usize| {
        let rows = CHUNK_ROWS.min(ROWS - start);
        let places = start * WIDTH..(start + rows) * WIDTH;
        let values: ArrayRef = Arc::new(Float32Array::from_iter_values(places.map(value)));
        let list = FixedSizeListArray::new(item.clone(), WIDTH as i32, values, None);
        RecordBatch::try_from_iter([("clip", Arc::new(list) as ArrayRef)]).expect("a batch")
    };
    (0..ROWS).step_by(CHUNK_ROWS).map(chunk).collect()
}

fn floats(batch: &RecordBatch) -> &[f32] {
    let list = batch.column(0).as_fixed_size_list();
    list.values().as_primitive::<Float32Type>().values()
}

fn raw(batch: &RecordBatch) -> &[u8] {
    let list = batch.column(0).as_fixed_size_list();
    list.values()
        .as_primitive::<Float32Type>()
        .values()
        .inner()
        .as_slice()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn write_plainly(folder: &Path, batches: &[RecordBatch]) {
    let path = folder.join("plain");
    let mut file = File::create(&path).expect("a file");
    for batch in batches {
        file.write_all(raw(batch)).expect("written");
    }
    file.sync_all().expect("flushed");
    fs::remove_file(path).expect("removed");
}

fn write_by_chunk(folder: &Path, batches: &[RecordBatch]) {
    let folder = folder.join("chunks");
    fs::create_dir(&folder).expect("a folder");
    for (number, batch) in batches.iter().enumerate() {
        let mut file = File::create(folder.join(number.to_string())).expect("a file");
        file.write_all(raw(batch)).expect("written");
        file.sync_all().expect("flushed");
    }
    fs::remove_dir_all(folder).expect("removed");
}

fn manifest() -> Manifest {
    Manifest::new("bench", 1, serde_json::Value::Null)
}

fn store(folder: &Path, batches: &[RecordBatch]) {
    let cache = Cache::open(folder).expect("a cache");
    let put = |batch| cache.put(batch).expect("stored").piece;
    let port = PortEntry {
        name: "rows".to_owned(),
        fields: batches[0].schema().fields().to_vec(),
        pieces: batches.iter().map(put).collect(),
        blobs: Vec::new(),
    };
    let entry = TableEntry {
        manifest: manifest(),
        ports: vec![port],
        existence: false,
        quarantined: None,
        seconds: 0.0,
    };
    let key: Digest = manifest().key();
    (cache.put_table(key, &entry, &Existence::default())).expect("stored");
}

fn load(folder: &Path, verify: Verify) -> Table {
    let cache = Cache::open(folder).expect("a cache").verify(verify);
    let entry = cache.table(manifest().key()).expect("a table");
    let chunks: Vec<Chunk> = (entry.ports[0].pieces.iter())
        .map(|piece| Chunk {
            rows: piece.rows,
            columns: cache.columns(piece),
        })
        .collect();
    Table::new(entry.ports[0].fields.clone(), chunks)
}

fn first_value(folder: &Path, verify: Verify) -> f64 {
    let batch = load(folder, verify).batch(0).expect("a chunk");
    floats(&batch)[0].into()
}

fn sum_of(folder: &Path, verify: Verify) -> f64 {
    let table = load(folder, verify);
    let chunks = 0..table.chunks().len();
    let batches = chunks.map(|chunk| table.batch(chunk).expect("a chunk"));
    batches
        .map(|b| floats(&b).iter().map(|v| f64::from(*v)).sum::<f64>())
        .sum()
}
