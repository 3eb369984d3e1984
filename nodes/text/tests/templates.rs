//! Every prompt template against what LLaVA's own code makes of the same conversations (recorded by
//! `tests/golden/make_templates.py`).

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use trommel_text::{IGNORE, LlamaTokenizer, Template, Turn, tokenize_sample};

const MAX_LENGTH: usize = 112;
const RECORDS: [&str; 3] = [
    "data/llava_instruct.json",
    "data/llava_extra.json",
    "templates/records.json",
];

#[derive(Deserialize)]
struct Record {
    image: Option<String>,
    conversations: Vec<Turn>,
}

/// One template with one tokenizer.
#[derive(Deserialize)]
struct Run {
    template: String,
    legacy: bool,
    own_pad: bool,
    /// None where the published program stops with an error.
    rows: Vec<Option<Row>>,
}

#[derive(Deserialize)]
struct Row {
    prompt: String,
    ids: Vec<i64>,
    /// First and behind-last place of what is learnt.
    learnt: Vec<(usize, usize)>,
    mismatch: bool,
}

fn golden(name: &str) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    golden.join(name)
}

fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&fs::read_to_string(golden(name)).unwrap()).unwrap()
}

/// The golden tokenizer's folder with some other settings.
fn folder(settings: &[(&str, Value)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str| fs::copy(golden("llama").join(name), folder.path().join(name));
    copy("tokenizer.model").unwrap();
    let mut config: Value = json("llama/tokenizer_config.json");
    for (key, value) in settings {
        config[key] = value.clone();
    }
    let path = folder.path().join("tokenizer_config.json");
    fs::write(path, config.to_string()).unwrap();
    folder
}

#[test]
fn ids_and_labels_are_those_of_the_published_program() {
    let records: Vec<Record> = RECORDS
        .iter()
        .flat_map(|name| json::<Vec<Record>>(name))
        .collect();
    let runs: Vec<Run> = json("templates/expected.json");
    assert_eq!(runs.len(), 8);
    for run in runs {
        let mut settings = vec![("legacy", json!(run.legacy))];
        settings.extend(run.own_pad.then(|| ("pad_token", json!("<unk>"))));
        let tokenizer = LlamaTokenizer::load(folder(&settings).path()).unwrap();
        let template: Template = run.template.parse().unwrap();
        assert_eq!(run.rows.len(), records.len());
        for (n, (record, row)) in records.iter().zip(&run.rows).enumerate() {
            let place = format!("{template}, legacy {}, record {n}", run.legacy);
            let (turns, has_image) = (&record.conversations, record.image.is_some());
            let made = tokenize_sample(&tokenizer, template, turns, has_image, MAX_LENGTH);
            let Some(row) = row else {
                assert!(made.is_err(), "{place}");
                continue;
            };
            assert_eq!(
                template.prompt(turns, has_image).unwrap(),
                row.prompt,
                "{place}"
            );
            let made = made.unwrap();
            assert_eq!(made.ids, row.ids, "{place}");
            let mut labels = vec![IGNORE; row.ids.len()];
            for &(first, end) in &row.learnt {
                labels[first..end].copy_from_slice(&row.ids[first..end]);
            }
            assert_eq!(made.labels, labels, "{place}");
            assert_eq!(made.mismatch, row.mismatch, "{place}");
        }
    }
}

#[test]
fn the_filling_token_is_the_unknown_one_but_for_v0() {
    let without = LlamaTokenizer::load(folder(&[]).path()).unwrap();
    let with = LlamaTokenizer::load(folder(&[("pad_token", json!("</s>"))]).path()).unwrap();
    let padding =
        |template: &str, tokenizer| template.parse::<Template>().unwrap().padding(tokenizer);
    assert_eq!(padding("v1", &without), Some(0));
    assert_eq!(padding("llava_llama_2", &with), Some(0));
    assert_eq!(padding("v0", &without), None);
    assert_eq!(padding("v0", &with), Some(2));
}

#[test]
fn tokenizers_that_are_not_supported_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let load = || match LlamaTokenizer::load(folder.path()) {
        Ok(_) => panic!("it loaded"),
        Err(error) => error.to_string(),
    };
    let write = |vocab: Value| {
        let model = json!({"type": "BPE", "vocab": vocab, "merges": []});
        fs::write(
            &path,
            json!({"version": "1.0", "model": model, "added_tokens": []}).to_string(),
        )
        .unwrap();
    };
    write(json!({"\u{120}": 0, "a": 1}));
    let error = load();
    assert!(
        error.contains("tokenizer.json: a byte-level tokenizer"),
        "{error}"
    );
    write(json!({"<unk>": 0, "<s>": 1, "</s>": 2}));
    fs::write(
        folder.path().join("tokenizer_config.json"),
        r#"{"legacy": false}"#,
    )
    .unwrap();
    let error = load();
    assert!(error.contains("without a tokenizer.model"), "{error}");
}
