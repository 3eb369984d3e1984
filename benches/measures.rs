//! How long the cheap measures take: score.text over 158,000 made-up texts as long as LLaVA's, score.image over a folder.
//!
//! `bench_measures [--texts FILE] [--images FOLDER]`. With `--texts` the texts are written to FILE, one
//! JSON string a line, so that other programs can measure the same. Only the kinds themselves are timed, without the cache.

#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use serde_json::json;
use trommel_engine::node::{Context, Device, Kind, Monitor, NoAnswers, NodeEvent, Work};
use trommel_engine::worker::Workers;
use trommel_nodes::score;

const TEXTS: usize = 158_000;
const BATCH: usize = 1_024;

const TEXT_MEASURES: [&str; 14] = [
    "chars",
    "words",
    "mean_word_length",
    "language",
    "char_repetition",
    "word_repetition",
    "alphanumeric_ratio",
    "special_ratio",
    "digit_ratio",
    "uppercase_ratio",
    "stopword_ratio",
    "char_entropy",
    "word_entropy",
    "lexical_diversity",
];

const IMAGE_MEASURES: [&str; 13] = [
    "width",
    "height",
    "aspect_ratio",
    "megapixels",
    "bytes",
    "format",
    "blur",
    "brightness",
    "contrast",
    "colourfulness",
    "entropy",
    "dhash",
    "phash",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    of_texts(after("--texts").as_deref());
    if let Some(folder) = after("--images") {
        of_images(Path::new(&folder));
    }
}

fn of_texts(write_to: Option<&str>) {
    let texts = made_up_texts();
    let bytes: usize = texts.iter().map(String::len).sum();
    if let Some(path) = write_to {
        let mut lines = String::new();
        for text in &texts {
            writeln!(lines, "{}", json!(text)).expect("text");
        }
        std::fs::write(path, lines).expect("the texts are written");
    }
    println!(
        "{} texts, {:.0} bytes a text",
        texts.len(),
        bytes as f64 / texts.len() as f64
    );
    let batches = batches("text", &texts);
    for measure in TEXT_MEASURES {
        let seconds = time::<score::text::Text>(&[measure], &batches);
        tell(measure, texts.len(), seconds);
    }
    let seconds = time::<score::text::Text>(&TEXT_MEASURES, &batches);
    tell("all of text", texts.len(), seconds);
}

fn of_images(folder: &Path) {
    let mut paths: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of images")
        .map(|entry| entry.expect("a file").path().to_string_lossy().into_owned())
        .collect();
    paths.sort();
    let batches = batches("image", &paths);
    for measures in [
        &IMAGE_MEASURES[..6],
        &["brightness"],
        &["blur"],
        &["colourfulness"],
        &["dhash"],
        &["phash"],
        &IMAGE_MEASURES,
    ] {
        time::<score::image::Image>(measures, &batches);
        let seconds = time::<score::image::Image>(measures, &batches);
        let name = match measures {
            [one] => one,
            few if few.len() < IMAGE_MEASURES.len() => "heads alone",
            _ => "all of image",
        };
        tell(name, paths.len(), seconds);
    }
}

fn tell(measure: &str, rows: usize, seconds: f64) {
    println!(
        "{measure:<20} {seconds:>8.3} s {:>12.0} rows/s",
        rows as f64 / seconds
    );
}

/// Words by Zipf's law in sentences: 20 to 400 words.
fn made_up_texts() -> Vec<String> {
    let mut state = 7_u64;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below
    };
    let syllables = [
        "the", "a", "in", "on", "ing", "er", "co", "per", "son", "pic", "ture", "ta", "ble", "wa",
        "ter", "se", "ven",
    ];
    let vocabulary: Vec<String> = (0..4_000)
        .map(|_| {
            (0..=random(3))
                .map(|_| syllables[random(syllables.len())])
                .collect()
        })
        .collect();
    (0..TEXTS)
        .map(|_| {
            let mut text = String::from("USER: ");
            for word in 0..20 + random(380) {
                let rank = vocabulary.len() / (1 + random(vocabulary.len()));
                text.push_str(&vocabulary[rank.min(vocabulary.len() - 1)]);
                text.push_str(if word % 12 == 11 { ". " } else { " " });
            }
            text
        })
        .collect()
}

fn batches(column: &str, values: &[String]) -> Vec<RecordBatch> {
    let batch = |values: &[String]| {
        let array: ArrayRef = Arc::new(StringArray::from_iter_values(values));
        RecordBatch::try_from_iter_with_nullable([(column, array, true)]).expect("a batch")
    };
    values.chunks(BATCH).map(batch).collect()
}

struct Nobody;

impl Monitor for Nobody {
    fn event(&self, _: NodeEvent) {}
}

/// Seconds that the kind takes for all batches.
fn time<K: Kind>(measures: &[&str], batches: &[RecordBatch]) -> f64 {
    let config = json!({ "input": "rows", "measures": measures });
    let config: K::Config = serde_json::from_value(config).expect("a configuration");
    let Ok(Work::Rows(mut node)) = K::build(&config) else {
        panic!("{} is not row-wise", K::NAME);
    };
    let context = Context {
        device: Device::Cpu,
        scratch: Path::new("."),
        unfinished: None,
        dry_run: false,
        workers: &Workers::new("no worker".into()),
        monitor: &Nobody,
        cancel: &AtomicBool::new(false),
        answers: &NoAnswers,
    };
    let start = Instant::now();
    for batch in batches {
        let output = node.rows(batch, &context).expect("measures");
        assert!(output.failed.is_empty(), "{:?}", output.failed);
    }
    start.elapsed().as_secs_f64()
}
