//! User-level tests: they drive the built program.

mod cache;
mod compile;
mod house;
mod input;
mod program;
mod published;
mod sections;
mod support;
