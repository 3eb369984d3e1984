//! What a node gives: its ports, their rows and columns.

use crate::table::ColumnType;

/// One of the tables that a node gives. The first one is the default port.
#[derive(Clone, Debug)]
pub struct Port {
    pub name: &'static str,
    pub rows: RowsOf,
    pub columns: Vec<(String, ColumnType)>,
    /// The columns of this input are there too.
    pub passes: Option<&'static str>,
    /// The columns that all inputs under this key have in common are there too.
    pub common: Option<&'static str>,
    /// There may be more columns, known only at run time.
    pub open: bool,
    /// Its rows name files that the node hands over ([`super::Outputs::file`]).
    pub files: bool,
}

/// Which rows a port has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowsOf {
    /// The same as an input, in the same order: `key` and `unique_idx` come from there.
    Input(&'static str),
    /// Rows of its own, with `key` and `unique_idx`.
    New,
    /// No records at all (weights, logs).
    Plain,
}

impl Port {
    pub(super) fn new(name: &'static str, rows: RowsOf) -> Self {
        Self {
            name,
            rows,
            columns: Vec::new(),
            passes: None,
            common: None,
            open: false,
            files: false,
        }
    }

    pub fn gives(&mut self, column: &str, ty: ColumnType) -> &mut Self {
        self.columns.push((column.to_owned(), ty));
        self
    }

    pub fn passes(&mut self, input: &'static str) -> &mut Self {
        self.passes = Some(input);
        self
    }

    /// Gives rows of all inputs under a key, with the columns that they have in common.
    pub fn common(&mut self, inputs: &'static str) -> &mut Self {
        self.common = Some(inputs);
        self
    }

    pub fn open(&mut self) -> &mut Self {
        self.open = true;
        self
    }
}
