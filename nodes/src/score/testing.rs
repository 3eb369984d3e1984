//! Calls a row-wise kind as the engine does, for tests.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::Value as Json;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Monitor, NoAnswers, NodeEvent};
use trommel_engine::worker::Workers;

struct Nobody;

impl Monitor for Nobody {
    fn event(&self, _: NodeEvent) {}
}

/// Builds the kind with a configuration in JSON and gives it rows.
pub(super) fn run<K: Kind>(config: Json, rows: &RecordBatch) -> Result<RowOutput, NodeError> {
    let config: K::Config = serde_json::from_value(config).expect("a configuration");
    let Work::Rows(mut node) = K::build(&config)? else {
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
    node.rows(rows, &context)
}

/// What is promised of a configuration in JSON.
pub(super) fn contract<K: Kind>(config: Json) -> Contract {
    let config: K::Config = serde_json::from_value(config).expect("a configuration");
    let mut contract = Contract::default();
    K::contract(&config, &mut contract);
    contract
}

/// A batch of columns that may hold nulls.
pub(super) fn rows<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    let columns = columns.map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("a batch")
}

/// What `tests/measures.py` recorded.
pub(super) fn recorded() -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/measures.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the recorded values"))
        .expect("JSON")
}
