//! Phase 1: YAML text to a [`Pipeline`], every value with its place.
//!
//! Knows nothing of node kinds: a node's configuration stays a value until the kind decodes it.

mod decode;
mod document;
mod fault;
mod file;
mod matrix;
mod merge;
mod outputs;
mod params;
mod pipeline;
mod stand_in;
mod sweep;
mod test_case;
mod value;
mod yaml;

pub use decode::decode;
pub(crate) use decode::{PATH_MARK, REFERENCE_MARK, SECRET_MARK, take_marked};
pub use document::Document;
pub use file::read_pipeline;
pub use matrix::{Axis, Choice, MOST_VARIANTS, Matrix, Variant, same_label};
pub use params::Override;
pub use pipeline::{NodeSpec, OutputSpec, Pipeline};
pub use test_case::{ExpectSpec, GivenSpec, TestSpec};
pub use value::{Data, Value};
pub use yaml::parse as parse_value;
