//! User-level tests: they drive the built program.

mod compile;
mod house;
mod program;
mod support;
