//! LLaVA annotation files: reading their records, the text of a sample, and the record's own JSON for the output.

pub mod original;
pub mod reader;
pub mod record;
mod split;
pub mod text;
