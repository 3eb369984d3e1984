//! SQL over the columns of tables, for the kinds that take expressions: polars parses and evaluates it.

mod by_rows;
mod expression;
mod whole;
mod with;

pub(crate) use expression::{Expression, in_words};
pub(crate) use whole::to_frame;
pub(crate) use with::{With, read_input, read_with};
