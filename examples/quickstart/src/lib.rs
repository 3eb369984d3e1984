//! The quickstart project: drawn images, questions and answers, tiny models.
//!
//! `write` lays out what `trommel init DIR` gives: data, models, a pipeline and a README. Everything is made by seeded
//! integer arithmetic or embedded, so the same bytes come out on every machine. The repository holds the same data
//! under `examples/quickstart/data` for `pipelines/quickstart.yaml`; a test compares the two.

mod draw;
mod project;
mod rng;
mod sample;
mod scene;
mod scores;
mod talk;

pub use project::{COUNT, SEED, write, write_data};
pub use sample::{Kind, Sample, samples};
