//! The selection alone: `bench_select SHAPE ROWS DIM COUNT [FILE]` makes vectors, picks, and says how long that took and what memory it
//! needed, as JSON. The vectors are written to FILE for peers.
//!
//! Shapes: `pairs` (like CLIP's of image and text: topics, a decaying spectrum, a common mean, an image of two records), `noise` (no
//! direction is better than another: nothing can be left out).

#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]

use std::f32::consts::TAU;
use std::fs;

use trommel_benches::{peak_mb, seconds};
use trommel_nodes::select::diverse::greedy::greedy;
use trommel_nodes::select::diverse::rows::Rows;

const TOPICS: usize = 400;
/// Rows of a chunk of a table.
const CHUNK: usize = 1024;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [shape, rows, dim, count, file @ ..] = given.as_slice() else {
        panic!("arguments: SHAPE ROWS DIM COUNT [FILE]");
    };
    let number = |text: &String| text.parse::<usize>().expect("a whole number");
    let (rows, dim, count) = (number(rows), number(dim), number(count));
    let vectors = match shape.as_str() {
        "pairs" => pairs(rows, dim),
        "noise" => noise(rows, dim),
        _ => panic!("{shape} is no shape: pairs, noise"),
    };
    if let [file] = file {
        let bytes: Vec<u8> = vectors
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        fs::write(file, bytes).expect("the file");
    }
    let mut random = Random(7);
    let difficulty: Vec<f64> = (0..rows).map(|_| f64::from(random.normal())).collect();
    let mut picks = Vec::new();
    let took = seconds(|| {
        let rows = Rows::new(dim, vectors.chunks(CHUNK * dim)).expect("rows");
        picks = greedy(&difficulty, &rows, count, 10, 1.0, None)
            .expect("picks")
            .picks;
    });
    let told = serde_json::json!({
        "seconds": took,
        "picks": picks.len(),
        "vectors_mb": (vectors.len() * size_of::<f32>()) as f64 / 1e6,
        "peak_mb": peak_mb(),
    });
    println!("{told}");
}

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 + 0.5) / (1 << 24) as f32
    }

    fn normal(&mut self) -> f32 {
        (-2.0 * self.unit().ln()).sqrt() * (TAU * self.unit()).cos()
    }
}

fn noise(rows: usize, dim: usize) -> Vec<f32> {
    let mut random = Random(3);
    (0..rows * dim).map(|_| random.normal()).collect()
}

fn pairs(rows: usize, dim: usize) -> Vec<f32> {
    let half = dim / 2;
    let spread = |at: usize| 1.0 / (1.0 + at as f32 / 20.0);
    let mut random = Random(5);
    let topics: Vec<Vec<f32>> = (0..TOPICS)
        .map(|_| {
            (0..dim)
                .map(|at| random.normal() * spread(at % half))
                .collect()
        })
        .collect();
    let mut values = vec![0.0; rows * dim];
    for (row, vector) in values.chunks_mut(dim).enumerate() {
        let mut of_image = Random((row / 2) as u64 * 7919 + 11);
        of_image.unit();
        let topic = &topics[(of_image.unit() * TOPICS as f32) as usize];
        let mut of_text = Random(row as u64 * 6151 + 3);
        of_text.unit();
        for (random, start) in [(&mut of_image, 0), (&mut of_text, half)] {
            let own = &mut vector[start..start + half];
            for (at, value) in own.iter_mut().enumerate() {
                let common = if at == 0 { 7.2 } else { 0.0 };
                *value = common + 0.8 * (topic[start + at] + random.normal() * spread(at));
            }
            let length = own.iter().map(|value| value * value).sum::<f32>().sqrt();
            for value in own {
                *value /= length;
            }
        }
    }
    values
}
