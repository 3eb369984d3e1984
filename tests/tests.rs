//! User-level tests: they drive the built program.

mod cache;
mod compile;
mod crash;
mod fuzz;
mod house;
mod hub;
mod input;
mod program;
mod published;
mod runs;
mod sections;
mod support;
