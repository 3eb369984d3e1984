//! Tables in text: JSON lines and CSV, one file or many, packed or not.

use std::io::Write;

use serde_json::{Value, json};

use crate::support::Project;

fn project(node: &str) -> Project {
    let project = Project::new();
    project.file(
        "p.yaml",
        format!("version: 1\nnodes:\n  rows: {{ {node} }}\noutputs:\n  - {{ from: rows, path: out.json, format: jsonl }}\n"),
    );
    project
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).expect("packed");
    packed.finish().expect("packed")
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).expect("packed")
}

/// The rows as they are shown, without the columns that every table has.
fn rows(project: &Project) -> Vec<Value> {
    let table = project.table("rows");
    let mut rows = table.as_array().expect("rows").clone();
    for (number, row) in rows.iter_mut().enumerate() {
        let row = row.as_object_mut().expect("a row");
        assert_eq!(row.remove("unique_idx"), Some(json!(number)));
        assert!(row.remove("key").is_some());
    }
    rows
}

#[test]
fn csv_files_have_the_types_that_all_of_them_agree_on() {
    let project = project("kind: load.csv, path: part-*");
    project
        .file(
            "part-0.csv",
            "id,score,text\n007,1,\"Two\nlines, one \"\"field\"\"\"\n",
        )
        .file("part-1.csv.gz", gzip("id,score,text\r\n8,0.5,\r\n"))
        .file("part-2", zstd("id,score,text\n9,,é\n"))
        .file("part-3", "id,score,text\n");
    project.passes(&[]);
    let expected = json!([
        { "id": "007", "score": 1.0, "text": "Two\nlines, one \"field\"" },
        { "id": "8", "score": 0.5, "text": null },
        { "id": "9", "score": null, "text": "é" },
    ]);
    assert_eq!(Value::from(rows(&project)), expected);
    // Only the file's name and packing are others: the same table.
    let before = project.table("rows");
    project.file(
        "part-0.csv",
        gzip("id,score,text\n007,1,\"Two\nlines, one \"\"field\"\"\"\n"),
    );
    project.passes(&[]);
    assert_eq!(project.table("rows"), before);
}

#[test]
fn csv_files_name_images() {
    let project = project("kind: load.csv, path: data.csv, image: photo, images: photos");
    project
        .file("photos/a.png", "")
        .file("data.csv", "photo,n\na.png,1\n,2\n");
    project.passes(&[]);
    let rows = rows(&project);
    assert_eq!(rows[0]["image"], "[FOLDER]/photos/a.png");
    assert_eq!(rows[1]["image"], Value::Null);
    std::fs::remove_file(project.path("out.json")).expect("removed");
    project.file("data.csv", "photo,n\nb.png,1\n");
    project.fails(&["1 images are not there", "photos/b.png"]);
}

#[test]
fn broken_csv_files_name_file_and_line() {
    let long = format!("a,b\n{}1,\"x", "1,2\n".repeat(3000));
    let cases: [(Vec<u8>, &[&str]); 6] = [
        (
            Vec::new(),
            &["data.csv: the file is empty", "names of the columns"],
        ),
        (
            b"a,b\n1,\"x\ny\"\n1\n".to_vec(),
            &["data.csv, line 4: the record has 1 fields", "2 columns"],
        ),
        (
            long.into_bytes(),
            &["data.csv, line 3002: a quote is opened here"],
        ),
        (
            b"a,b\n1,\xff\n".to_vec(),
            &["data.csv, line 2: the record is not UTF-8"],
        ),
        (
            gzip(&"a,b\n1,2\n".repeat(500))[..40].to_vec(),
            &["data.csv, line", "the gzip data are cut off"],
        ),
        (b"a,key\n1,2\n".to_vec(), &["has a column `key`"]),
    ];
    for (content, words) in cases {
        let project = project("kind: load.csv, path: data.csv");
        project.file("data.csv", content);
        project.fails(words);
    }
    let project = project("kind: load.csv, path: \"*.csv\"");
    project
        .file("a.csv", "a,b\n1,2\n")
        .file("b.csv", "b,a\n1,2\n");
    project.fails(&[
        "b.csv has other columns than",
        "b, a where the first has a, b",
    ]);
}

#[test]
fn packed_json_lines_are_those_that_were_packed() {
    let texts = ["{\"a\": 1}\n", "{\"a\": 0.5, \"b\": \"x\"}\n"];
    let project = project("kind: load.jsonl, path: \"data/*\"");
    project
        .file("data/0", gzip(texts[0]))
        .file("data/1", zstd(texts[1]));
    project.passes(&[]);
    assert_eq!(
        Value::from(rows(&project)),
        json!([{ "a": 1.0, "b": null }, { "a": 0.5, "b": "x" }])
    );
    std::fs::remove_file(project.path("out.json")).expect("removed");
    let packed = zstd(&texts[1].repeat(2000));
    project.file("data/1", &packed[..packed.len() - 5]);
    project.fails(&["data/1, line", "the zstd data are cut off"]);
}

#[test]
fn a_few_bytes_that_unpack_to_very_many_are_refused() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"{\"a\": \"").expect("packed");
    for _ in 0..80 {
        packed.write_all(&vec![b'x'; 1 << 20]).expect("packed");
    }
    let packed = packed.finish().expect("packed");
    assert!(packed.len() < 1 << 20);
    for (kind, words) in [("load.jsonl", "line 1"), ("load.csv", "line 1")] {
        let project = project(&format!("kind: {kind}, path: bomb.gz"));
        project.file("bomb.gz", &packed);
        project.fails(&[words, "the record is longer than 64 MiB"]);
    }
}

#[test]
fn annotations_may_be_many_files_packed_or_not() {
    let record = |id: u32| {
        let turns = r#"[{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]"#;
        format!(r#"{{"id": {id}, "conversations": {turns}}}"#)
    };
    let project = project("kind: load.llava, annotations: \"part-*\"");
    let array = format!("[{},\n{}]", record(0), record(1));
    let lines = format!("{}\n{}\n", record(2), record(0));
    project
        .file("part-0.json", &array)
        .file("part-1.jsonl.gz", gzip(&lines))
        .file("part-2.json", "[]");
    project.passes(&[]);
    let ids = |project: &Project| -> Vec<Value> {
        rows(project).iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids(&project), ["0", "1", "2", "0"]);
    let before = project.table("rows");
    // Only the packing is another: the same rows, with the same keys.
    project.file("part-0.json", zstd(&array));
    project.passes(&[]);
    assert_eq!(project.table("rows"), before);
    std::fs::remove_file(project.path("out.json")).expect("the output");
    project.file("part-2.json", format!("[{},\n{{}}]", record(3)));
    project.fails(&["part-2.json", "record 1 (line 2)", "conversations"]);
    project.file(
        "part-2.json",
        &gzip("[{\"id\": 1, \"conversations\": []}]")[..30],
    );
    project.fails(&["part-2.json", "gzip"]);
    project.file("p.yaml", project.read("p.yaml").replace("part-*", "none-*"));
    project.is_refused(&["none-*"]);
}
