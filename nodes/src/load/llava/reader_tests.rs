//! Whole files through the reader, and the texts of the published program.

#![expect(clippy::print_stderr, reason = "says which tests are skipped")]

use super::*;
use crate::load::llava::original::without_unique_idx;
use crate::load::llava::text::text;

/// What the tests look at of a record.
#[derive(Debug, PartialEq)]
struct Seen {
    raw: String,
    id: Option<String>,
    image: Option<String>,
    text: String,
}

fn read(content: &[u8]) -> Result<Vec<Seen>, LlavaError> {
    let mut reader = LlavaReader::new(content);
    let mut records = Vec::new();
    while let Some(mut batch) = reader.next_batch(0) {
        let first = records.len();
        assert!(batch.len() <= BATCH);
        batch.records(Path::new("a.json"), |record| {
            records.push(Seen {
                raw: record.raw.to_owned(),
                id: record.id.as_deref().map(str::to_owned),
                image: record.image.as_deref().map(str::to_owned),
                text: text(&record.conversations, &mut String::new()).to_owned(),
            });
            Ok(())
        })?;
        let raws = batch.into_column().unwrap();
        assert!(
            raws.iter()
                .flatten()
                .eq(records[first..].iter().map(|r| &*r.raw))
        );
    }
    Ok(records)
}

fn error(content: &str) -> String {
    read(content.as_bytes()).unwrap_err().to_string()
}

fn record(id: usize) -> String {
    format!(
        r#"{{"id": {id}, "conversations": [{{"from": "human", "value": "q{id}"}}, {{"from": "gpt", "value": "a"}}]}}"#
    )
}

#[test]
fn batches_keep_order_and_raw_text() {
    let raws: Vec<String> = (0..2500).map(record).collect();
    for content in [format!("[{}]", raws.join(",\n")), raws.join("\n")] {
        let records = read(content.as_bytes()).unwrap();
        let read: Vec<&str> = records.iter().map(|r| r.raw.as_str()).collect();
        assert_eq!(read, raws);
        assert_eq!(records[1999].id.as_deref(), Some("1999"));
    }
    assert_eq!(read(b"[]").unwrap(), []);
}

#[test]
fn bad_records_are_all_named() {
    let content = format!(
        "[{},\n{{\"id\": 1}},\n{},\n7,\n{{\"conversations\": [{{\"from\": \"gpt\"}}]}}]",
        record(0),
        record(2)
    );
    let error = error(&content);
    assert!(error.contains("a.json"), "{error}");
    assert!(
        error.contains("record 1 (line 2): missing field `conversations`"),
        "{error}"
    );
    assert!(
        error.contains("record 3 (line 4): it is a number, not an object"),
        "{error}"
    );
    assert!(
        error.contains("record 4 (line 5): missing field `value`"),
        "{error}"
    );
    assert!(!error.contains("may be more"), "{error}");
}

#[test]
fn no_more_than_twenty_are_named() {
    let error = error(&format!("[{}]", ["{}"; 50].join(",")));
    assert_eq!(error.matches("record ").count(), 20, "{error}");
    assert!(error.contains("there may be more"), "{error}");
}

#[test]
fn broken_files_are_told_apart() {
    let whole = format!("[{},\n{}]", record(0), record(1));
    let cut = error(&whole[..whole.len() - 10]);
    assert!(
        cut.contains("record 1 (line 2): the file ends within this record"),
        "{cut}"
    );
    let syntax = error(&format!(
        "[{},\n{{\"id\": 1,\n\"x\" 2}},\n{}]",
        record(0),
        record(2)
    ));
    assert!(
        syntax.contains("record 1 (line 3): it is not JSON: expected `:`"),
        "{syntax}"
    );
    assert!(error("").contains("is empty"));
    assert!(error("\"text\"").contains("begins with '\"'"));
    let object = error("{\n \"a\": 1\n}");
    assert!(
        object.contains("record 0 (line 1): it is not JSON"),
        "{object}"
    );
    let latin = [b"[{\"id\": \"".as_slice(), &[0xe9], b"\"}]"].concat();
    let latin = read(&latin).unwrap_err().to_string();
    assert!(
        latin.contains("record 0 (line 1): it is not UTF-8"),
        "{latin}"
    );
    // A bad record counts before the place where the file breaks off.
    let both = error(&format!("[{},\n{{}},\n{{\"id\": 1", record(0)));
    assert!(both.contains("record 1 (line 2): missing field"), "{both}");
    assert!(
        both.contains("record 2 (line 3): the file ends within"),
        "{both}"
    );
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_whole_lines() {
    let array = format!("[{}, {}]", record(0), record(1));
    for length in 0..array.len() {
        assert!(read(&array.as_bytes()[..length]).is_err(), "{length}");
    }
}

#[test]
fn texts_and_output_of_the_published_program() {
    let Some(folder) = std::env::var_os("TROMMEL_ORACLE").map(PathBuf::from) else {
        eprintln!("skipped: TROMMEL_ORACLE is not set");
        return;
    };
    let load = |file: &str| read(&std::fs::read(folder.join(file)).unwrap()).unwrap();
    let json = |file: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap()
    };
    let records = load("data/llava_instruct.json");
    let texts = json("golden/1_preprocess/text_data.json");
    assert_eq!(records.len(), texts.as_object().unwrap().len());
    for (i, record) in records.iter().enumerate() {
        let golden = &texts[i.to_string()];
        assert_eq!(record.text, golden["text"].as_str().unwrap(), "{i}");
        assert_eq!(record.image.as_deref(), golden["image"].as_str());
    }
    // The published output is made from the file with unique_idx and leaves it out again.
    let indexed = load("golden/1_preprocess/llava_instruct_add_idx.json");
    let selected = json("golden/6_stage2/selection_small.json");
    let picks = selected["cases"]["clip_fp32"]["selected"]
        .as_array()
        .unwrap();
    for source in [&records, &indexed] {
        let raws: Vec<_> = picks
            .iter()
            .map(|i| without_unique_idx(&source[i.as_u64().unwrap() as usize].raw))
            .collect();
        let golden = std::fs::read_to_string(
            folder.join("golden/6_stage2/filtered_annotation_clip_fp32.json"),
        );
        assert_eq!(format!("[{}]", raws.join(", ")), golden.unwrap());
    }
}
