//! Runs that break off and go on, and those that train less than the whole model.

use std::path::Path;

use arrow::array::RecordBatch;
use serde_json::json;
use tch::Device;
use trommel_engine::worker::protocol::TableInput;

use super::{Run, doubles, open, weights};
use crate::work::testing::{Recorded, roots};
use crate::work::{Events, TableJob, WorkError};

impl Run {
    /// Trains with a folder for what is saved; nobody listens any more after so many steps.
    fn train_until(
        &self,
        inputs: &[TableInput],
        saves: &Path,
        steps: u64,
    ) -> (Recorded, Result<(), WorkError>) {
        let mut events = BreaksOff {
            heard: Recorded::default(),
            after: steps,
        };
        let mut session = open(self.config.clone(), Device::Cpu).unwrap();
        let job = TableJob {
            inputs,
            folder: Some(saves),
            dry_run: false,
        };
        let result = session.table(&job, &mut events);
        (events.heard, result)
    }
}

/// Listens until so many steps are done.
struct BreaksOff {
    heard: Recorded,
    after: u64,
}

impl Events for BreaksOff {
    fn push(&mut self, port: &str, rows: &RecordBatch) -> Result<(), WorkError> {
        self.heard.push(port, rows)
    }

    fn file(&mut self, port: &str, name: &str, path: &Path) -> Result<(), WorkError> {
        self.heard.file(port, name, path)
    }

    fn progress(&mut self, done: u64, total: u64, note: String) -> Result<(), WorkError> {
        if done > self.after {
            return Err(WorkError::EngineGone {
                source: std::io::ErrorKind::BrokenPipe.into(),
            });
        }
        self.heard.progress(done, total, note)
    }

    fn log(&mut self, message: String) -> Result<(), WorkError> {
        self.heard.log(message)
    }

    fn warning(&mut self, message: String) -> Result<(), WorkError> {
        self.heard.warning(message)
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_that_breaks_off_goes_on_to_the_same_bits() {
    for (precision, trainable) in [("f32", "full"), ("bf16", "full"), ("f32", "lora")] {
        let run = Run::new(&roots()[0], 1e-3)
            .set("epochs", json!(2))
            .set("precision", json!(precision))
            .set("trainable", json!(trainable))
            .set("save_every", json!({"steps": 2}));
        let inputs = [run.input(run.images()), run.clip()];
        let whole = run.train(&inputs).unwrap();
        let saves = tempfile::tempdir().unwrap();
        let (_, broken) = run.train_until(&inputs, saves.path(), 5);
        assert!(matches!(broken, Err(WorkError::EngineGone { .. })));
        assert_eq!(
            names_in(saves.path()),
            ["step-000000002.safetensors", "step-000000004.safetensors"]
        );

        // A state that is damaged is told of and the one before is used; what a killed process left is removed.
        std::fs::write(saves.path().join("step-000000006.safetensors"), "torn").unwrap();
        std::fs::write(saves.path().join(".writing-x"), "half").unwrap();
        let (first, broken) = run.train_until(&inputs, saves.path(), 9);
        assert!(broken.is_err());
        assert!(
            first
                .warnings
                .iter()
                .any(|w| w.contains("step-000000006.safetensors cannot be used"))
        );
        assert!(
            first.logs.contains(&"goes on after step 4".to_owned()),
            "{:?}",
            first.logs
        );
        assert!(!names_in(saves.path()).contains(&".writing-x".to_owned()));

        let (rest, done) = run.train_until(&inputs, saves.path(), u64::MAX);
        done.unwrap();
        let net = |events: &Recorded| weights(&events.pushed[0].1);
        assert_eq!(net(&rest), net(&whole), "{precision} {trainable}");
        let (log, expected) = (&rest.pushed[1].1, &whole.pushed[1].1);
        for column in [
            "step",
            "epoch",
            "lr",
            "loss",
            "grad_norm",
            "label_tokens",
            "weight_entropy",
        ] {
            assert_eq!(
                log.column_by_name(column),
                expected.column_by_name(column),
                "{precision} {trainable} {column}"
            );
        }
    }
}

#[test]
fn adapters_and_the_projector_alone_learn_too() {
    let full = Run::new(&roots()[0], 1e-3);
    let inputs = [full.input(full.images()), full.clip()];
    let losses = |events: &Recorded| -> Vec<f64> {
        doubles(&events.pushed[1].1, "loss")
            .into_iter()
            .flatten()
            .collect()
    };
    let full = losses(&full.train(&inputs).unwrap());
    for trainable in ["lora", "projector"] {
        let run = Run::new(&roots()[0], 1e-3).set("trainable", json!(trainable));
        let events = run.train(&inputs).unwrap();
        let found = losses(&events);
        assert!(
            (found[0] - full[0]).abs() < 1e-6,
            "nothing is changed at first"
        );
        assert!(found.iter().zip(&full).any(|(a, b)| (a - b).abs() > 1e-6));
        assert!(
            weights(&events.pushed[0].1)
                .iter()
                .all(|weight| weight.is_finite())
        );
        let needed = events
            .logs
            .iter()
            .find(|log| log.starts_with("memory: weights "))
            .unwrap();
        assert!(
            needed.contains("moments") && needed.contains("free"),
            "{needed}"
        );
    }
}
