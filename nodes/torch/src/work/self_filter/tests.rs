//! The recorded runs from annotations, image files and checkpoints, and what is said where something is wrong with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Float32Type, Float64Type, UInt64Type};
use serde_json::{Value as Json, json};
use tch::Device;
use tempfile::TempDir;
use trommel_checkpoint::{Checkpoint, TensorSpec, write_safetensors};
use trommel_engine::table::list_of_floats;
use trommel_engine::worker::protocol::TableInput;

use super::open;
use crate::work::testing::{Recorded, image_paths, read_json, roots, stored};
use crate::work::{TableJob, WorkError};

mod refused;
mod resumed;

/// A recorded folder, ready to be trained on.
pub(super) struct Run {
    root: PathBuf,
    pub(super) folder: TempDir,
    records: Vec<Json>,
    config: Json,
}

impl Run {
    pub(super) fn new(root: &Path, learning_rate: f64) -> Self {
        let records = read_json(&root.join("data/llava_instruct.json"));
        let folder = tempfile::tempdir().unwrap();
        let max_length = read_json(&root.join("hyper.json"))["stage1"]["max_len"].clone();
        let config = json!({
            "vlm": with_score_net(root, folder.path()),
            "vision_tower": root.join("clip"),
            "projector": root.join("projector/mm_projector.bin"),
            "prompt": "v1", "image_aspect": "square", "max_length": max_length,
            "epochs": 1, "batch_size": 4, "accumulate": 1, "learning_rate": learning_rate,
            "weight_decay": 0.0, "warmup_ratio": 0.03, "max_grad_norm": null,
            "precision": "f32", "trainable": "full", "recompute": false, "seed": 42,
            "lora": {"rank": 4, "alpha": 8.0, "targets": ["q_proj", "v_proj"]}, "save_every": {"minutes": 10.0},
            "order": null,
        });
        Self {
            root: root.to_owned(),
            folder,
            records: records.as_array().unwrap().clone(),
            config,
        }
    }

    pub(super) fn set(mut self, key: &str, value: Json) -> Self {
        self.config[key] = value;
        self
    }

    fn rows(&self) -> usize {
        self.records.len()
    }

    fn names(&self) -> ArrayRef {
        Arc::new(UInt64Array::from_iter_values(0..self.rows() as u64))
    }

    pub(super) fn input(&self, images: StringArray) -> TableInput {
        let columns: [(&str, ArrayRef); 3] = [
            ("unique_idx", self.names()),
            ("image", Arc::new(images)),
            ("conversations", conversations(&self.records)),
        ];
        stored(self.folder.path(), "input", "load", None, &columns)
    }

    pub(super) fn clip(&self) -> TableInput {
        let file = Checkpoint::open(&self.root.join("data/scores/llava_clip_feature.pt")).unwrap();
        let row = |row: usize| file.require(&row.to_string()).unwrap().to_f32().unwrap();
        let rows: Vec<Vec<f32>> = (0..self.rows()).map(row).collect();
        let width = rows[0].len();
        let values: ArrayRef = Arc::new(list_of_floats(rows.concat(), width, None).unwrap());
        self.feature("clip", values)
    }

    fn scalar(&self, values: Vec<Option<f64>>) -> TableInput {
        self.feature("score", Arc::new(Float64Array::from(values)))
    }

    fn feature(&self, name: &str, values: ArrayRef) -> TableInput {
        let columns = [("unique_idx", self.names()), (name, values)];
        let reference = format!("node.{name}");
        stored(
            self.folder.path(),
            "features",
            &reference,
            Some(name),
            &columns,
        )
    }

    pub(super) fn images(&self) -> StringArray {
        image_paths(&self.root, &self.records)
    }

    pub(super) fn train(&self, inputs: &[TableInput]) -> Result<Recorded, WorkError> {
        let mut events = Recorded::default();
        let job = TableJob {
            inputs,
            folder: Some(self.folder.path()),
            dry_run: false,
        };
        open(self.config.clone(), Device::Cpu)?.table(&job, &mut events)?;
        Ok(events)
    }

    pub(super) fn fails(&self, inputs: &[TableInput]) -> String {
        self.train(inputs).unwrap_err().words()
    }
}

/// The language model's folder with the initial score net of the recorded runs in it, as one that was trained before has.
fn with_score_net(root: &Path, folder: &Path) -> PathBuf {
    let net = Checkpoint::open(&root.join("score_net_init.safetensors")).unwrap();
    with_more(
        root,
        &folder.join("vlm"),
        &[(&net, "clip", "score_net.weight")],
    )
}

/// The language model's folder with tensors of other files in it: a file, the name there, the name in the folder.
pub(super) fn with_more(root: &Path, vlm: &Path, more: &[(&Checkpoint, &str, &str)]) -> PathBuf {
    std::fs::create_dir(vlm).unwrap();
    for file in std::fs::read_dir(root.join("llama")).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_str().unwrap().contains("safetensors") {
            std::fs::copy(file.path(), vlm.join(file.file_name())).unwrap();
        }
    }
    let model = Checkpoint::open(&root.join("llama")).unwrap();
    let names = model.names().map(|name| (&model, name, name));
    let tensors = names
        .chain(more.iter().copied())
        .map(|(file, stored, name)| {
            let view = file.require(stored).unwrap();
            let (dtype, shape) = (view.dtype, view.shape.to_vec());
            let name = name.to_owned();
            (
                TensorSpec { name, dtype, shape },
                Cow::Owned(view.data.into_owned()),
            )
        });
    let tensors: Vec<_> = tensors.collect();
    write_safetensors(&vlm.join("model.safetensors"), tensors, &BTreeMap::new()).unwrap();
    vlm.to_path_buf()
}

fn conversations(records: &[Json]) -> ArrayRef {
    let turns: Vec<&Vec<Json>> = records
        .iter()
        .map(|record| record["conversations"].as_array().unwrap())
        .collect();
    let column = |key: &str| -> ArrayRef {
        let values = turns.iter().copied().flatten();
        Arc::new(StringArray::from_iter_values(
            values.map(|turn| turn[key].as_str().unwrap()),
        ))
    };
    let fields: Fields = ["from", "value"]
        .map(|name| Field::new(name, DataType::Utf8, false))
        .to_vec()
        .into();
    let values = StructArray::new(fields.clone(), vec![column("from"), column("value")], None);
    let item = Arc::new(Field::new("item", DataType::Struct(fields), false));
    let offsets = OffsetBuffer::from_lengths(turns.iter().map(|turns| turns.len()));
    Arc::new(ListArray::new(item, offsets, Arc::new(values), None))
}

fn doubles(rows: &RecordBatch, column: &str) -> Vec<Option<f64>> {
    let column = rows.column_by_name(column).unwrap();
    column.as_primitive::<Float64Type>().iter().collect()
}

pub(super) fn weights(rows: &RecordBatch) -> Vec<f32> {
    let column = rows.column_by_name("weight").unwrap();
    column.as_primitive::<Float32Type>().values().to_vec()
}

fn close(found: f64, expected: &Json, tolerance: f64) -> bool {
    (found - expected.as_f64().unwrap()).abs() < tolerance
}

#[test]
fn the_recorded_run_from_files() {
    for root in roots() {
        let recorded = read_json(&root.join("golden/5_stage1/clip_lr2e-3.json"));
        let run = Run::new(&root, 2e-3)
            .set("max_grad_norm", recorded["hyper"]["max_grad_norm"].clone())
            .set(
                "order",
                read_json(&root.join("golden/5_stage1/batches.json")),
            );
        let events = run.train(&[run.input(run.images()), run.clip()]).unwrap();

        let [(net_port, net), (log_port, log)] = &events.pushed[..] else {
            panic!("{:?}", events.pushed);
        };
        assert_eq!((net_port.as_str(), log_port.as_str()), ("score_net", "log"));
        let steps = recorded["steps"].as_array().unwrap();
        assert_eq!(log.num_rows(), steps.len());
        let (losses, norms, rates) = (
            doubles(log, "loss"),
            doubles(log, "grad_norm"),
            doubles(log, "lr"),
        );
        let labels = log.column_by_name("label_tokens").unwrap();
        for (step, expected) in steps.iter().enumerate() {
            assert!(
                close(losses[step].unwrap(), &expected["loss"], 1e-5),
                "{step}"
            );
            let norm = &expected["grad_norm"];
            assert!(
                close(norms[step].unwrap(), norm, 1e-5 * norm.as_f64().unwrap()),
                "{step}"
            );
            assert!(
                close(rates[step].unwrap(), &expected["lr"], 1e-12),
                "{step}"
            );
            let counts = expected["per_sample_tokens"].as_array().unwrap();
            let count = counts
                .iter()
                .map(|count| count.as_u64().unwrap())
                .sum::<u64>();
            assert_eq!(labels.as_primitive::<UInt64Type>().value(step), count);
        }
        let expected = steps.last().unwrap()["score_net_weight_after"]
            .as_array()
            .unwrap();
        let found = weights(net);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(close(f64::from(found), expected, 1e-6));
        }
        let features = net.column_by_name("feature").unwrap().as_string::<i32>();
        assert!(features.iter().all(|name| name == Some("node.clip")));
        assert_eq!(doubles(net, "min").iter().flatten().count(), 0);
        let last = events.progress.last().unwrap();
        assert_eq!((last.0, last.1), (steps.len() as u64, steps.len() as u64));
        assert!(
            last.2.starts_with("loss ") && last.2.contains(", lr "),
            "{}",
            last.2
        );
        let samples = read_json(&root.join("golden/4_tokens/samples.json"));
        let mismatched = samples.as_array().unwrap().iter();
        let mismatched = mismatched
            .filter(|sample| sample["mismatch_warning"] == json!(true))
            .count();
        assert!(
            events.warnings.iter().any(|w| w.starts_with(&format!(
                "{mismatched} of {} records teach nothing",
                run.rows()
            ))),
            "{:?}",
            events.warnings
        );
    }
}

#[test]
fn a_seed_repeats_itself_and_incomplete_records_stay_out() {
    let run = Run::new(&roots()[0], 1e-4).set("vlm", json!(roots()[0].join("llama")));
    let values =
        |row: usize| (row % 5 != 3).then_some(if row == 4 { 9.0 } else { row as f64 / 4.0 });
    let score = run.scalar((0..run.rows()).map(values).collect());
    let inputs = [run.input(run.images()), score];
    let (first, second) = (run.train(&inputs).unwrap(), run.train(&inputs).unwrap());
    let trained = (0..run.rows()).filter(|row| row % 5 != 3).count();
    let left = run.rows() - trained;
    assert!(
        first.warnings[0].starts_with(&format!(
            "{left} of {} records are not trained on",
            run.rows()
        )),
        "{:?}",
        first.warnings
    );
    let net = &first.pushed[0].1;
    assert_eq!(
        (doubles(net, "min"), doubles(net, "max")),
        (vec![Some(0.0)], vec![Some(9.0)])
    );
    assert_eq!(weights(net), weights(&second.pushed[0].1));
    let (log, other) = (&first.pushed[1].1, &second.pushed[1].1);
    assert_eq!(log.num_rows(), trained.div_ceil(4));
    for column in ["step", "epoch", "lr", "loss", "grad_norm", "label_tokens"] {
        assert_eq!(
            log.column_by_name(column),
            other.column_by_name(column),
            "{column}"
        );
    }
    let other_seed = Run::new(&roots()[0], 1e-4)
        .set("vlm", json!(roots()[0].join("llama")))
        .set("seed", json!(43));
    assert_ne!(
        weights(&other_seed.train(&inputs).unwrap().pushed[0].1),
        weights(net)
    );

    let order = Run::new(&roots()[0], 1e-4).set("order", json!([[0, 3]]));
    let error = order.fails(&inputs);
    assert!(
        error.contains("batch 0 names unique_idx 3") && error.contains("null"),
        "{error}"
    );
}
