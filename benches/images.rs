//! The way of an image from the file to the model's input on one core: milliseconds an image.
//!
//! `bench_images PREPROCESSOR_CONFIG.json FOLDER`. Its peer, in the same run of
//! `make bench`, is `benches/extract_peers/images.py`.

#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]

use std::fs;
use std::path::PathBuf;

use trommel_benches::{best, paths};
use trommel_media::{Preprocess, clip_pixels, decode};

fn main() {
    let [config, folder] = paths(["PREPROCESSOR_CONFIG.json", "FOLDER"]);
    let config = fs::read_to_string(config).expect("the configuration");
    let preprocess = Preprocess::from_json(&config).expect("a configuration");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| decode(&fs::read(path).expect("a file")).expect("an image");
    let all = milliseconds(&paths, |path| {
        std::hint::black_box(clip_pixels(&read(path), &preprocess));
    });
    let decoding = milliseconds(&paths, |path| {
        std::hint::black_box(read(path));
    });
    println!(
        r#"{{"images": {}, "ms": {all:.3}, "decode_ms": {decoding:.3}}}"#,
        paths.len()
    );
}

/// For an image.
fn milliseconds(paths: &[PathBuf], work: impl Fn(&PathBuf)) -> f64 {
    best(|| paths.iter().for_each(&work)) * 1e3 / paths.len() as f64
}
