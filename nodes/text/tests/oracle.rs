//! The published program's tokens, from a folder of golden data named by `TROMMEL_ORACLE`; skipped without it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use trommel_text::{
    ClipTokenizer, LlamaTokenizer, Sample, Template, Turn, collate, tokenize_sample,
};

const MAX_LENGTH: usize = 128;

#[derive(Deserialize)]
struct Record {
    image: Option<String>,
    conversations: Vec<Turn>,
}

#[derive(Deserialize)]
struct Golden {
    unique_idx: usize,
    has_image: bool,
    input_ids: Vec<i64>,
    labels: Vec<i64>,
    mismatch_warning: bool,
}

#[derive(Deserialize)]
struct Collated {
    unique_indices: Vec<usize>,
    input_ids: Vec<Vec<i64>>,
    labels: Vec<Vec<i64>>,
    attention_mask: Vec<Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    input_ids: Vec<i64>,
}

struct Oracle(PathBuf);

impl Oracle {
    fn open() -> Option<Self> {
        let folder = std::env::var_os("TROMMEL_ORACLE").map(PathBuf::from);
        if folder.is_none() {
            #[expect(clippy::print_stderr, reason = "a skipped test says so")]
            {
                eprintln!("skipped: TROMMEL_ORACLE is not set");
            }
        }
        folder.map(Self)
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> T {
        let text = std::fs::read_to_string(self.0.join(path)).expect(path);
        serde_json::from_str(&text).expect(path)
    }

    fn llama(&self) -> LlamaTokenizer {
        LlamaTokenizer::load(&self.0.join("llama")).unwrap()
    }
}

fn sample(tokenizer: &LlamaTokenizer, record: &Record) -> Sample {
    let has_image = record.image.is_some();
    let turns = &record.conversations;
    tokenize_sample(tokenizer, Template::V1, turns, has_image, MAX_LENGTH).unwrap()
}

#[test]
fn clip_ids() {
    let Some(oracle) = Oracle::open() else { return };
    let golden: BTreeMap<String, Vec<i64>> = oracle.json("golden/2_clip/clip_text_input_ids.json");
    let texts: BTreeMap<String, serde_json::Value> =
        oracle.json("golden/1_preprocess/text_data.json");
    let tokenizer = ClipTokenizer::load(&oracle.0.join("clip"), 77).unwrap();
    assert_eq!(golden.len(), texts.len());
    for (index, text) in texts {
        let ids = tokenizer.encode(text["text"].as_str().unwrap()).unwrap();
        assert_eq!(ids, golden[&index], "sample {index}");
    }
}

#[test]
fn llama_ids() {
    let Some(oracle) = Oracle::open() else { return };
    let tokenizer = oracle.llama();
    let texts: Vec<Text> = oracle.json("golden/4_tokens/strings.json");
    for Text { text, input_ids } in texts {
        assert_eq!(tokenizer.encode(&text).unwrap(), input_ids, "{text:?}");
    }
}

#[test]
fn prompts() {
    let Some(oracle) = Oracle::open() else { return };
    let records: Vec<Record> = oracle.json("data/llava_instruct.json");
    let golden: Vec<String> = oracle.json("golden/4_tokens/prompts.json");
    assert_eq!(records.len(), golden.len());
    for (n, (record, golden)) in records.iter().zip(golden).enumerate() {
        let prompt = Template::V1.prompt(&record.conversations, record.image.is_some());
        assert_eq!(prompt.unwrap(), golden, "sample {n}");
    }
}

#[test]
fn samples_and_labels() {
    let Some(oracle) = Oracle::open() else { return };
    let tokenizer = oracle.llama();
    let mut warned = 0;
    for (data, golden) in [
        ("data/llava_instruct.json", "golden/4_tokens/samples.json"),
        ("data/llava_extra.json", "golden/4_tokens/extra.json"),
    ] {
        let records: Vec<Record> = oracle.json(data);
        let golden: Vec<Golden> = oracle.json(golden);
        assert_eq!(records.len(), golden.len());
        for g in golden {
            let record = &records[g.unique_idx];
            assert_eq!(record.image.is_some(), g.has_image);
            let s = sample(&tokenizer, record);
            assert_eq!(s.ids, g.input_ids, "{data} {}: ids", g.unique_idx);
            assert_eq!(s.labels, g.labels, "{data} {}: labels", g.unique_idx);
            assert_eq!(s.mismatch, g.mismatch_warning, "{data} {}", g.unique_idx);
            warned += usize::from(s.mismatch);
        }
    }
    assert!(
        warned > 0,
        "the golden data has samples whose rounds do not add up"
    );
}

#[test]
fn batches() {
    let Some(oracle) = Oracle::open() else { return };
    let tokenizer = oracle.llama();
    let records: Vec<Record> = oracle.json("data/llava_instruct.json");
    let golden: Collated = oracle.json("golden/4_tokens/collated_batch.json");
    let chosen = golden.unique_indices.iter();
    let samples: Vec<Sample> = chosen.map(|&i| sample(&tokenizer, &records[i])).collect();
    let batch = collate(&samples, tokenizer.pad(), MAX_LENGTH);
    assert_eq!(batch.rows, golden.input_ids.len());
    assert_eq!(batch.len, golden.input_ids[0].len());
    assert_eq!(batch.ids, golden.input_ids.concat());
    assert_eq!(batch.labels, golden.labels.concat());
    let mask = golden.attention_mask.concat();
    let mask: Vec<bool> = mask
        .iter()
        .map(|v| v.as_bool().unwrap_or(*v == 1))
        .collect();
    assert_eq!(batch.mask, mask);
}
