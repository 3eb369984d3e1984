//! Whole files of data, one for every kind that reads some.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field};
use arrow::ipc::writer::FileWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use trommel_nodes::write::parquet_bytes;

use crate::support::repository;

/// A node that reads one file.
pub(super) struct Reader {
    pub(super) node: &'static str,
    pub(super) settings: &'static str,
    pub(super) file: &'static str,
    pub(super) content: Vec<u8>,
}

fn reader(
    node: &'static str,
    settings: &'static str,
    file: &'static str,
    content: impl Into<Vec<u8>>,
) -> Reader {
    Reader {
        node,
        settings,
        file,
        content: content.into(),
    }
}

pub(super) fn record(id: &str) -> Value {
    json!({ "id": id, "conversations": [{ "from": "human", "value": "q\n" }, { "from": "gpt", "value": "é" }] })
}

pub(super) fn readers() -> Vec<Reader> {
    let turns = json!({ "messages": [{ "role": "system", "content": "s" }, { "role": "user", "content": "q" },
        { "role": "assistant", "content": [{ "type": "text", "text": "a" }] }] });
    let lines = "{\"a\": 1, \"b\": [\"x\"], \"c\": {\"d\": null}}\n{\"a\": 2.5, \"b\": [], \"c\": {\"d\": true}}\n";
    let comma = "a,b\n1,\"two\nlines\"\n-3,\"a \"\"quote\"\"\"\n";
    let vectors = [0.5_f32, -1.0, 2.0, 0.25];
    vec![
        reader(
            "llava",
            "kind: load.llava, annotations: a.json",
            "a.json",
            json!([record("1"), record("2")]).to_string(),
        ),
        reader(
            "sharegpt",
            "kind: load.chat, path: s.jsonl",
            "s.jsonl",
            format!("{}\n{}\n", record("1"), record("2")),
        ),
        reader(
            "messages",
            "kind: load.chat, path: m.json",
            "m.json",
            json!([turns, turns]).to_string(),
        ),
        reader("jsonl", "kind: load.jsonl, path: j.jsonl", "j.jsonl", lines),
        reader(
            "packed",
            "kind: load.jsonl, path: j.zst",
            "j.zst",
            zstd::encode_all(lines.as_bytes(), 3).expect("packed"),
        ),
        reader("csv", "kind: load.csv, path: c.csv", "c.csv", comma),
        reader(
            "gzip",
            "kind: load.csv, path: c.gz",
            "c.gz",
            gzip(comma.as_bytes()),
        ),
        reader(
            "parquet",
            "kind: load.parquet, path: p.parquet",
            "p.parquet",
            parquet_bytes(&table()).expect("a file"),
        ),
        reader(
            "arrow",
            "kind: load.arrow, path: a.arrow",
            "a.arrow",
            arrow_file(),
        ),
        reader(
            "shard",
            "kind: load.webdataset, path: w.tar",
            "w.tar",
            shard(),
        ),
        reader(
            "images",
            "kind: load.images, path: \"photos/*\"",
            "a.json",
            r#"{"title": "A"}"#,
        ),
        reader(
            "scores",
            "kind: load.scores, input: rows, path: v.json, column: v",
            "v.json",
            r#"{"0": 0.5, "1": null}"#,
        ),
        reader(
            "npy",
            "kind: load.vectors, input: rows, path: v.npy, column: v",
            "v.npy",
            npy(&vectors),
        ),
        reader(
            "tensors",
            "kind: load.vectors, input: rows, path: v.safetensors, column: v",
            "v.safetensors",
            safetensors("v", &json!([2, 2]), &vectors),
        ),
        reader(
            "pickle",
            "kind: load.vectors, input: many, path: v.pt, column: v",
            "v.pt",
            golden("scores/llava_clip_feature.pt"),
        ),
        reader(
            "net",
            "kind: load.score_net, checkpoint: net.safetensors, features: [ready.v]",
            "net.safetensors",
            safetensors("score_net.weight", &json!([1, 1]), &vectors[..1]),
        ),
    ]
}

pub(super) fn golden(name: &str) -> Vec<u8> {
    fs::read(repository("tests/golden/data").join(name)).expect("a golden file")
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(content).expect("packed");
    packed.finish().expect("packed")
}

fn table() -> RecordBatch {
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values([
        b"\x89PNG one",
        b"\x89PNG two",
    ]));
    let paths: ArrayRef = Arc::new(StringArray::from(vec![Some("a.png"), None]));
    let field = |name, ty| Arc::new(Field::new(name, ty, true));
    let images = StructArray::from(vec![
        (field("bytes", DataType::Binary), bytes),
        (field("path", DataType::Utf8), paths),
    ]);
    let columns: [(&str, ArrayRef); 3] = [
        ("n", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ("t", Arc::new(StringArray::from(vec!["text", "more text"]))),
        ("image", Arc::new(images)),
    ];
    RecordBatch::try_from_iter(columns).expect("a batch")
}

fn arrow_file() -> Vec<u8> {
    let table = table();
    let mut writer = FileWriter::try_new(Vec::new(), &table.schema()).expect("a file");
    writer.write(&table).expect("a batch");
    writer.into_inner().expect("a file")
}

fn shard() -> Vec<u8> {
    let mut shard = tar::Builder::new(Vec::new());
    for (name, content) in [
        ("a.png", "\u{89}PNG"),
        ("a.json", "{\"k\": 1}"),
        ("b.txt", "text"),
        ("b.cls", "3"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        let added = shard.append_data(&mut header, name, content.as_bytes());
        added.expect("a member");
    }
    shard.into_inner().expect("a shard")
}

fn floats(values: &[f32]) -> impl Iterator<Item = u8> {
    values.iter().flat_map(|value| value.to_le_bytes())
}

fn npy(values: &[f32]) -> Vec<u8> {
    npy_of("(2, 2)", values)
}

pub(super) fn npy_of(shape: &str, values: &[f32]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(floats(values));
    file
}

pub(super) fn safetensors(name: &str, shape: &Value, values: &[f32]) -> Vec<u8> {
    let end = 4 * values.len();
    let header = json!({ name: { "dtype": "F32", "shape": shape, "data_offsets": [0, end] } });
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(floats(values));
    file
}
