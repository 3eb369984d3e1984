//! Kinds that the scheduler's tests run: rows that come in steps, work that fails or takes long.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use arrow::array::{FixedSizeBinaryArray, Float64Array, UInt64Array};

use trommel_engine::node::prelude::*;
use trommel_engine::node::{Entry, Erased, Registry};
use trommel_engine::table::CHUNK_ROWS;

/// Calls so far, by the name that a node's configuration gives: tests run side by side.
static CALLS: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);

pub(crate) fn calls(name: &str) -> usize {
    let calls = CALLS.lock().unwrap();
    calls
        .as_ref()
        .and_then(|c| c.get(name).copied())
        .unwrap_or(0)
}

fn call(name: &str) -> usize {
    let mut calls = CALLS.lock().unwrap();
    let count = calls
        .get_or_insert_default()
        .entry(name.to_owned())
        .or_default();
    *count += 1;
    *count
}

/// Gives chunks; with `after`, each only when the nodes of that name have done all that came before.
pub(crate) struct Steps;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StepsConfig {
    chunks: usize,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    fails: bool,
    /// After so many chunks the numbers begin anew.
    #[serde(default)]
    again_after: Option<usize>,
}

impl Kind for Steps {
    const NAME: &'static str = "load.steps";
    const VERSION: u32 = 1;
    type Config = StepsConfig;

    fn contract(_: &StepsConfig, contract: &mut Contract) {
        contract
            .port("rows", RowsOf::New)
            .gives("n", ColumnType::F64);
    }

    fn build(config: &StepsConfig) -> Result<Work, NodeError> {
        Ok(Work::table(config.clone()))
    }
}

impl TableNode for StepsConfig {
    fn table(
        &mut self,
        _: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        for chunk in 0..self.chunks {
            if let Some(name) = &self.after {
                wait_for(name, chunk, context)?;
            }
            let first = self.again_after.map_or(chunk, |count| chunk % count);
            outputs.push("rows", rows(chunk, first)?)?;
        }
        if self.fails {
            return Err(NodeError::new("the last row is broken"));
        }
        Ok(())
    }
}

fn wait_for(name: &str, count: usize, context: &Context<'_>) -> Result<(), NodeError> {
    let start = Instant::now();
    while calls(name) < count {
        context.check_cancelled()?;
        if start.elapsed() > Duration::from_secs(20) {
            return Err(NodeError::new("nobody reads what is there"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn rows(chunk: usize, first: usize) -> Result<RecordBatch, NodeError> {
    let of = |chunk: usize| chunk * CHUNK_ROWS..(chunk + 1) * CHUNK_ROWS;
    let (numbers, values) = (of(chunk), of(first));
    let keys = numbers.clone().map(|n| (n as u128).to_le_bytes());
    let columns: [(&str, ArrayRef); 3] = [
        (KEY, Arc::new(FixedSizeBinaryArray::try_from_iter(keys)?)),
        (
            UNIQUE_IDX,
            Arc::new(UInt64Array::from_iter_values(
                numbers.clone().map(|n| n as u64),
            )),
        ),
        (
            "n",
            Arc::new(Float64Array::from_iter_values(values.map(|n| n as f64))),
        ),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Doubles a number; can be told to fail or to take its time.
pub(crate) struct Double;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DoubleConfig {
    input: TableRef,
    #[serde(default)]
    name: String,
    /// Calls that fail for a passing reason before one succeeds.
    #[serde(default)]
    passing: usize,
    #[serde(default)]
    broken: bool,
    /// Works until it is stopped.
    #[serde(default)]
    endless: bool,
    /// What it was told ahead: first what the next call must bring, then what the call after that must.
    #[serde(skip)]
    told: [Option<RecordBatch>; 2],
}

impl Kind for Double {
    const NAME: &'static str = "score.double";
    const VERSION: u32 = 1;
    type Config = DoubleConfig;

    fn contract(config: &DoubleConfig, contract: &mut Contract) {
        contract
            .table("input", &config.input)
            .reads("n", &[ColumnType::F64]);
        contract
            .port("rows", RowsOf::Input("input"))
            .gives("n", ColumnType::F64);
        contract.row_wise();
        contract.retries(2);
    }

    fn build(config: &DoubleConfig) -> Result<Work, NodeError> {
        Ok(Work::rows(config.clone()))
    }
}

impl RowNode for DoubleConfig {
    fn ahead(&mut self, rows: &RecordBatch, _: &Context<'_>) -> Result<(), NodeError> {
        call(&format!("{} ahead", self.name));
        self.told[1] = Some(rows.clone());
        Ok(())
    }

    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError> {
        if self.broken {
            return Err(NodeError::new("this never works"));
        }
        if call(&self.name) <= self.passing {
            return Err(NodeError::new("busy").transient());
        }
        if self.told[0].take().is_some_and(|told| told != *rows) {
            return Err(NodeError::new("other rows than were told ahead"));
        }
        self.told.rotate_left(1);
        if self.endless {
            loop {
                context.check_cancelled()?;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let numbers = rows
            .column(0)
            .as_primitive::<arrow::datatypes::Float64Type>();
        let doubled: Float64Array = numbers.unary(|n| n * 2.0);
        let column: ArrayRef = Arc::new(doubled);
        Ok(RecordBatch::try_from_iter([("n", column)])?.into())
    }
}

const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<Steps>::NEW,
        source: "",
    },
    Entry {
        kind: &Erased::<Double>::NEW,
        source: "",
    },
];

pub(crate) const REGISTRY: Registry = Registry {
    kinds: &[KINDS],
    formats: &[],
};
