//! Tiny tokenizers against what transformers made of the same texts (recorded by `make_tokens.py`), and the labels.

use std::path::PathBuf;

use serde::Deserialize;
use trommel_text::{
    ClipTokenizer, IGNORE, IMAGE_TOKEN, LlamaTokenizer, Sample, Template, TextError, Turn, collate,
    tokenize_sample,
};

#[derive(Deserialize)]
struct Golden {
    llama: Vec<Text>,
    clip: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<i64>,
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

fn golden() -> Golden {
    let text = std::fs::read_to_string(folder("tokens.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn llama() -> LlamaTokenizer {
    LlamaTokenizer::load(&folder("llama")).unwrap()
}

fn sample(turns: &[&str], has_image: bool, max_length: usize) -> Sample {
    let turns: Vec<Turn> = turns
        .iter()
        .enumerate()
        .map(|(n, value)| Turn {
            from: ["human", "gpt"][n % 2].into(),
            value: (*value).into(),
        })
        .collect();
    tokenize_sample(&llama(), Template::V1, &turns, has_image, max_length).unwrap()
}

/// The text tokens that are learnt.
fn learnt(sample: &Sample) -> Vec<i64> {
    let labels = sample.labels.iter().copied();
    labels.filter(|&id| id != IGNORE).collect()
}

fn ids(text: &str) -> Vec<i64> {
    llama().encode(text).unwrap()[1..].to_vec()
}

#[test]
fn llama_ids() {
    let tokenizer = llama();
    for Text { text, ids } in golden().llama {
        assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{text:?}");
    }
}

#[test]
fn clip_ids() {
    let tokenizer = ClipTokenizer::load(&folder("clip"), 77).unwrap();
    for Text { text, ids } in golden().clip {
        assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{text:?}");
    }
}

#[test]
fn answers_and_their_ends_are_learnt() {
    let s = sample(&["the dog", "a kite", "a cat", "the lamp"], false, 2048);
    assert!(!s.mismatch);
    assert_eq!(
        learnt(&s),
        ids("a kite</s>")
            .into_iter()
            .chain(ids("the lamp</s>"))
            .collect::<Vec<_>>()
    );
    assert_eq!(s.ids.len(), s.labels.len());
}

#[test]
fn the_image_is_one_token() {
    let s = sample(&["the dog <image>", "a kite"], true, 2048);
    let images = s.ids.iter().filter(|&&id| id == IMAGE_TOKEN);
    assert_eq!(images.count(), 1);
    assert_eq!(learnt(&s), ids("a kite</s>"));
    let s = sample(&["the dog <image>", "a kite"], false, 2048);
    assert!(!s.ids.contains(&IMAGE_TOKEN));
}

#[test]
fn rounds_that_do_not_add_up_mask_everything() {
    for turns in [
        vec!["the dog ASSISTANT: x", "a kite"],
        vec!["the dog", "a </s> kite"],
        vec!["the <unk> dog", "a kite"],
        vec!["the dog", ""],
        vec!["the dog", "a kite", "a cat"],
    ] {
        let s = sample(&turns, false, 2048);
        assert!(s.mismatch, "{turns:?}");
        assert!(learnt(&s).is_empty(), "{turns:?}");
    }
}

#[test]
fn long_samples_keep_their_labels() {
    let long = "the dog holds a kite ".repeat(20);
    let whole = sample(&["a cat", &long], false, 2048);
    let limit = whole.ids.len() - 30;
    let cut = sample(&["a cat", &long], false, limit);
    assert!(!cut.mismatch);
    assert_eq!(cut.ids, whole.ids[..limit]);
    assert_eq!(cut.labels, whole.labels[..limit]);
    // With an image the ids are cut later.
    let image = sample(&["<image>a cat", &long], true, limit);
    assert!(image.ids.len() > limit && !image.mismatch);
}

#[test]
fn a_batch_is_filled_at_the_right_and_cut() {
    let short = sample(&["a cat", "the dog"], false, 2048);
    let long = sample(&["a cat", "the dog holds a kite"], false, 2048);
    let len = long.ids.len() - 1;
    let batch = collate(&[short.clone(), long.clone()], 0, len);
    assert_eq!((batch.rows, batch.len), (2, len));
    let n = short.ids.len();
    assert_eq!(batch.ids[..n], short.ids);
    assert!(batch.ids[n..len].iter().all(|&id| id == 0));
    assert!(batch.labels[n..len].iter().all(|&id| id == IGNORE));
    assert!(batch.mask[..n].iter().all(|&m| m) && batch.mask[n..len].iter().all(|&m| !m));
    assert_eq!(batch.ids[len..], long.ids[..len]);
    assert_eq!(collate(&[], 0, 8).rows, 0);
}

#[test]
fn a_folder_without_a_tokenizer_is_named() {
    let empty = folder("no such folder");
    let error = LlamaTokenizer::load(&empty).err().unwrap().to_string();
    assert!(
        error.contains("no such folder") && error.contains("tokenizer.model"),
        "{error}"
    );
    let error = ClipTokenizer::load(&empty, 77).err().unwrap().to_string();
    assert!(error.contains("vocab.json and merges.txt"), "{error}");
    let error = ClipTokenizer::load(&folder("clip"), 2).err().unwrap();
    assert!(matches!(error, TextError::Limit { .. }));
}
