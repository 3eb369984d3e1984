//! The configuration of a program, what it reads and what it promises.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use trommel_engine::node::prelude::*;

use super::Given;
use super::column_names::ColumnNames;

/// A program that computes columns, and what it reads and gives.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows.
    pub input: TableRef,
    /// The program and its arguments, as a list; no shell is asked. It is looked up on PATH, or with a `/` in it is a path,
    /// and works in the folder of the pipeline file. Arguments that name a file there count by content.
    pub command: CommandLine,
    /// What else the program is made of: files, folders (all that is below) and patterns such as `src/**/*.py`. They count
    /// by content; where one changes, all rows are computed again.
    #[serde(default)]
    pub files: Vec<DataPath>,
    /// Columns whose values the program sees: `[text]`, or `{ text: prompt }` where it is to see `prompt` as `text`.
    #[serde(default)]
    pub reads: ColumnNames,
    /// Columns of paths, as `reads`, whose files the program opens: what is in them counts, not where they stand.
    #[serde(default)]
    pub opens: ColumnNames,
    /// The columns that it gives, with their types: text, f32, f64, i64, u32, u64, bool, bytes, vector or vector(WIDTH).
    pub gives: BTreeMap<String, Given>,
    /// Anything that the program understands; it gets it as JSON before the first rows.
    #[serde(default)]
    pub config: serde_json::Value,
    /// Any text, to be changed where the program gives other results though none of its files has changed.
    #[serde(default)]
    pub version: Option<String>,
    /// Where the program is told to compute. With cpu it takes one of the processors; otherwise it is treated as a model,
    /// which has the device to itself.
    #[serde(default = "cpu")]
    pub device: Device,
    /// Rows of one request, at most 1,024; only speed depends on it.
    #[serde(default)]
    pub batch_size: Option<NonZeroU32>,
    /// So many copies of the program work side by side; only speed depends on it.
    #[serde(default = "one")]
    pub processes: NonZeroU32,
    /// Seconds. A program that neither answers nor reports anything for so long is ended, and the node fails.
    #[serde(default = "ten_minutes")]
    pub timeout: NonZeroU32,
}

fn cpu() -> Device {
    Device::Cpu
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn ten_minutes() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(599)
}

/// Reads columns and files; gives what is promised beside the input's rows.
pub fn contract(config: &Config, contract: &mut Contract) {
    let input = contract.table("input", &config.input);
    for column in config.reads.columns() {
        input.reads(column, &[ColumnType::Any]);
    }
    for column in config.opens.columns() {
        input.reads_files(column);
    }
    contract.program(
        "files",
        &config.command,
        &config.files,
        config.version.is_some(),
    );
    let port = contract.port("rows", RowsOf::Input("input"));
    for (column, given) in &config.gives {
        port.gives(column, given.column_type());
    }
    contract.row_wise();
    contract.permit(match (config.device, config.processes.get()) {
        (Device::Cpu, 1) => Permit::Cpu,
        (Device::Cpu, _) => Permit::Exclusive,
        _ => Permit::Device,
    });
    contract.speed_only(&["device", "batch_size", "processes", "timeout"]);
    refuse(config, contract);
}

fn refuse(config: &Config, contract: &mut Contract) {
    if config.command.name().is_empty() {
        contract.refuse(
            "command",
            "a command begins with a program",
            "for example [python3, extractor.py]",
        );
    }
    if config.reads.is_empty() && config.opens.is_empty() {
        contract.refuse(
            "reads",
            "the program sees no column",
            "name columns: `reads: [text]` for values, `opens: [image]` for files",
        );
    }
    for (seen, column) in config.opens.pairs() {
        if config.reads.pairs().any(|(other, _)| other == seen) {
            contract.refuse(
                "opens",
                format!("`{seen}` stands under `reads` too"),
                "give one of them another name: { NAME: COLUMN }",
            );
        } else if config.reads.columns().contains(&column) {
            contract.refuse(
                "opens",
                format!("the column `{column}` stands under `reads` too"),
                "under `opens` alone the program gets the paths as well; then what the files hold counts, not their names",
            );
        }
    }
    if config.gives.is_empty() {
        contract.refuse(
            "gives",
            "the program gives no column",
            "name its columns and their types: `gives: { score: f32 }`",
        );
    }
    for column in config.gives.keys() {
        if column.is_empty() || column.contains('.') || [KEY, UNIQUE_IDX].contains(&column.as_str())
        {
            contract.refuse(
                "gives",
                format!("`{column}` cannot be the name of a column"),
                "give another name, without a dot",
            );
        }
    }
}
