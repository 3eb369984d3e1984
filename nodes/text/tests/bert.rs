//! BERT's tokens as BLIP sets them up, against those of transformers' slow tokenizer in `ImageReward`'s golden data. A further
//! folder of that is named by `TROMMEL_IMAGEREWARD`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use trommel_text::{BertTokenizer, TextError};

const LIMIT: usize = 35;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/imagereward")
}

#[test]
fn ids_are_those_of_transformers() {
    compare(&golden());
    match std::env::var_os("TROMMEL_IMAGEREWARD") {
        Some(folder) => compare(Path::new(&folder)),
        #[expect(clippy::print_stderr, reason = "a skipped check says so")]
        None => eprintln!("TROMMEL_IMAGEREWARD is not set: only the repository's own texts"),
    }
}

fn compare(folder: &Path) {
    let tokenizer = BertTokenizer::load(folder, LIMIT).unwrap();
    let expected = fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let texts = expected["texts"].as_array().unwrap();
    assert!(texts.len() > 10);
    for text in texts {
        let ids = text["input_ids"].as_array().unwrap();
        let ids: Vec<i64> = ids.iter().map(|id| id.as_i64().unwrap()).collect();
        let text = text["text"].as_str().unwrap();
        let mut ours = tokenizer.encode(text);
        assert!(ours.len() <= LIMIT && ours.iter().all(|&id| id <= tokenizer.largest_id()));
        // Filled up with [PAD], which is 0.
        ours.resize(LIMIT, 0);
        assert_eq!(ours, ids, "{text:?}");
    }
}

/// A folder with a vocabulary and, where it is not empty, a configuration.
fn folder(vocabulary: &str, config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vocab.txt"), vocabulary).unwrap();
    if !config.is_empty() {
        fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
    }
    folder
}

const SPECIAL: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";

#[test]
fn the_vocabulary_may_stand_beside_the_model_and_keep_its_capitals() {
    let vocabulary = format!("{SPECIAL}a\r\nA\r\né\r\n[DEC]\r\n");
    let lower = folder(&vocabulary, "");
    let tokenizer = BertTokenizer::load(lower.path(), 9).unwrap();
    // [DEC] has a line of its own, so only [ENC] is added.
    assert_eq!(tokenizer.encode("aA é[DEC][ENC]"), [2, 1, 1, 8, 9, 3]);
    assert_eq!(
        tokenizer.encode("a A a A a A a A a A"),
        [2, 5, 5, 5, 5, 5, 5, 5, 3]
    );
    let cased = folder(&vocabulary, r#"{"do_lower_case": false}"#);
    let tokenizer = BertTokenizer::load(cased.path(), 9).unwrap();
    // Composed, however it was written.
    assert_eq!(tokenizer.encode("a A e\u{301}"), [2, 5, 6, 7, 3]);
}

#[test]
fn what_is_wrong_with_a_vocabulary_is_told() {
    let error = |folder: &Path| match BertTokenizer::load(folder, LIMIT) {
        Ok(_) => panic!("it loaded"),
        Err(error) => error,
    };
    let empty = tempfile::tempdir().unwrap();
    let text = error(empty.path()).to_string();
    assert!(
        text.contains("vocab.txt or bert-base-uncased/vocab.txt"),
        "{text}"
    );
    let other = folder("[PAD]\n[UNK]\n[CLS]\n<mask>\n", "");
    assert!(matches!(error(other.path()), TextError::NoId { token, .. } if token == "[SEP]"));
    let binary = tempfile::tempdir().unwrap();
    fs::write(binary.path().join("vocab.txt"), [0xff, 0xfe, 0]).unwrap();
    assert!(
        error(binary.path())
            .to_string()
            .contains("vocab.txt is not what it should be")
    );
}
