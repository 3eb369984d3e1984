//! The way of an image from the file to the model's input on one core: milliseconds an image, the best of three rounds.
//!
//! `cargo bench -p trommel-media --bench images -- PREPROCESSOR_CONFIG.json FOLDER`. Its peer, in the same run of
//! `make bench`, is `benches/extract_peers/images.py`.

#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use trommel_media::{Preprocess, clip_pixels, decode};

const ROUNDS: usize = 3;

fn main() {
    let given: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .map(PathBuf::from)
        .collect();
    let [config, folder] = &given[..] else {
        println!("give a preprocessor_config.json and a folder of images");
        return;
    };
    let config = fs::read_to_string(config).expect("the configuration");
    let preprocess = Preprocess::from_json(&config).expect("a configuration");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| decode(&fs::read(path).expect("a file")).expect("an image");
    let all = best(&paths, |path| {
        std::hint::black_box(clip_pixels(&read(path), &preprocess));
    });
    let decoding = best(&paths, |path| {
        std::hint::black_box(read(path));
    });
    println!(
        r#"{{"images": {}, "ms": {all:.3}, "decode_ms": {decoding:.3}}}"#,
        paths.len()
    );
}

/// Milliseconds an image, after a round that is not counted.
fn best(paths: &[PathBuf], work: impl Fn(&PathBuf)) -> f64 {
    let rounds = (0..=ROUNDS).map(|_| {
        let start = Instant::now();
        paths.iter().for_each(&work);
        start.elapsed().as_secs_f64() * 1e3 / paths.len() as f64
    });
    rounds.skip(1).fold(f64::INFINITY, f64::min)
}
