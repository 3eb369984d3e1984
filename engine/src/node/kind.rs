//! The traits that the author of a node kind implements.

use arrow::array::RecordBatch;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Context, Contract, Inputs, NodeError};

/// A kind of node: what can stand after `kind:`.
pub trait Kind: Send + Sync + 'static {
    /// As written in pipeline files: `family.name`.
    const NAME: &'static str;
    /// Raised by hand whenever the same inputs give different results; part of every key.
    const VERSION: u32;
    /// Its documentation is the user's documentation, its schema the user's schema.
    type Config: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// What a node so configured reads and gives. Must not read files.
    fn contract(config: &Self::Config, contract: &mut Contract);

    /// Makes the node. Called only when there is work that the cache does not hold.
    fn build(config: &Self::Config) -> Result<Work, NodeError>;
}

/// A built node; owned by one job.
pub enum Work {
    Rows(Box<dyn RowNode>),
    Table(Box<dyn TableNode>),
}

impl Work {
    pub fn rows(node: impl RowNode + 'static) -> Self {
        Self::Rows(Box::new(node))
    }

    pub fn table(node: impl TableNode + 'static) -> Self {
        Self::Table(Box::new(node))
    }
}

/// Maps rows to rows. What it gives for a row depends on that row only.
pub trait RowNode: Send {
    /// `rows` holds the columns that the contract reads: those of tables under their names, a
    /// single column under its label, else its configuration key. Gives the port's own columns, one row a row.
    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError>;

    /// Told before a call of [`RowNode::rows`]: the rows of the call after that one, so that a process that does the work
    /// need not wait for the engine in between. That call comes with these rows, or does not come.
    fn ahead(&mut self, _rows: &RecordBatch, _context: &Context<'_>) -> Result<(), NodeError> {
        Ok(())
    }

    /// Called once after the last rows.
    fn close(&mut self, _context: &Context<'_>) {}
}

/// Sees all of its inputs at once.
pub trait TableNode: Send {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError>;
}

/// Where a [`TableNode`] puts its tables; batches may be of any size.
pub trait Outputs {
    /// Appends rows to a port. A port that repeats an input's rows takes only its own columns.
    fn push(&mut self, port: &str, batch: RecordBatch) -> Result<(), NodeError>;

    /// A row that could not be done, by its number in the input whose rows the default port has. Its own columns are to be
    /// null there. For kinds that say [`super::Contract::fails_by_row`].
    fn failed(&mut self, failure: RowFailure) -> Result<(), NodeError>;

    /// Hands a finished file over to a port of files, under its name there (`config.json`, `part/weights.bin`). It stands in
    /// the node's own folder ([`Context`]) and is gone from it afterwards. Gives where its content stands in the cache, which
    /// is a path that the rows of another port may name: it is there for as long as the node's result is.
    fn file(
        &mut self,
        port: &str,
        name: &str,
        path: &std::path::Path,
    ) -> Result<std::path::PathBuf, NodeError>;

    /// The result depends on whether this file exists: the cache looks again before it is reused.
    fn depends_on_existence(&mut self, path: std::path::PathBuf, exists: bool);
}

/// What a [`RowNode`] gives for a batch.
pub struct RowOutput {
    /// As many rows as came in; null where a row failed.
    pub columns: RecordBatch,
    pub failed: Vec<RowFailure>,
}

/// A row that could not be done, by its position in the batch.
#[derive(Clone, Debug)]
pub struct RowFailure {
    pub row: usize,
    pub reason: String,
}

impl From<RecordBatch> for RowOutput {
    fn from(columns: RecordBatch) -> Self {
        Self {
            columns,
            failed: Vec::new(),
        }
    }
}
