//! A node kind of your own, in one file: `score.words` counts the words of a text column.
//!
//! Run it with `cargo run --example custom_kind`: it builds a registry of the program's kinds and its own,
//! compiles a pipeline that uses both, and runs it on the quickstart data. The second time, all is cached.
//!
//! ```yaml
//! words: { kind: score.words, input: instructions }
//! ```

use arrow::array::UInt32Array;
use trommel_engine::cache::Cache;
use trommel_engine::compile::compile;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Entry, Erased, Registry};
use trommel_engine::run::{Event, Listener, RunOptions, run};
use trommel_engine::spec::read_pipeline;
use trommel_engine::table::strings;

/// How many words a text has.
struct Words;

/// What stands in the pipeline file; the doc comments are the user's documentation.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The rows.
    input: TableRef,
    /// The column to count in.
    #[serde(default = "text")]
    text: String,
}

fn text() -> String {
    "text".into()
}

impl Kind for Words {
    const NAME: &'static str = "score.words";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract
            .table("input", &config.input)
            .reads(&config.text, &[ColumnType::Text]);
        contract
            .port("rows", RowsOf::Input("input"))
            .gives("words", ColumnType::U32);
        contract.row_wise();
    }

    fn build(_: &Config) -> Result<Work, NodeError> {
        Ok(Work::rows(Count))
    }
}

struct Count;

impl RowNode for Count {
    fn rows(&mut self, rows: &RecordBatch, _: &Context<'_>) -> Result<RowOutput, NodeError> {
        let texts = strings(rows.column(0))?;
        let counts: UInt32Array = texts
            .iter()
            .map(|text| text.map(|t| t.split_whitespace().count() as u32))
            .collect();
        let column: ArrayRef = Arc::new(counts);
        Ok(RecordBatch::try_from_iter_with_nullable([("words", column, true)])?.into())
    }
}

const OWN: &[Entry] = &[Entry {
    kind: &Erased::<Words>::NEW,
    source: include_str!("custom_kind.rs"),
}];

const PIPELINE: &str = "
version: 1
name: longest
nodes:
  instructions: { kind: load.llava, annotations: data/annotations.json, images: data/images }
  words: { kind: score.words, input: instructions }
  longest: { kind: select.top, input: instructions, score: words.words, count: 5 }
outputs:
  - { from: longest, path: longest.json, format: llava }
";

/// Prints what happens.
struct Print;

impl Listener for Print {
    #[expect(clippy::print_stdout, reason = "an example speaks to its reader")]
    fn event(&self, event: &Event) {
        println!("{event:?}");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    trommel_quickstart::write_data(
        &folder.path().join("data"),
        trommel_quickstart::SEED,
        trommel_quickstart::COUNT,
    )?;
    let file = folder.path().join("longest.yaml");
    std::fs::write(&file, PIPELINE)?;

    let registry = Registry {
        kinds: &[
            trommel_nodes::load::KINDS,
            trommel_nodes::select::KINDS,
            OWN,
        ],
        formats: trommel_nodes::write::FORMATS,
    };
    let in_words = |problems: trommel_engine::diagnostics::Problems| {
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    };
    let pipeline = read_pipeline(&file, &[]).map_err(in_words)?;
    let (plan, _) = compile(&pipeline, &registry).map_err(in_words)?;
    let (plan, cache) = (
        Arc::new(plan),
        Arc::new(Cache::open(folder.path().join("cache"))?),
    );
    let listener: Arc<dyn Listener> = Arc::new(Print);
    for _ in 0..2 {
        run(&plan, &cache, RunOptions::default(), &listener)?;
    }
    Ok(())
}
