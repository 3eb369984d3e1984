//! User-level tests: they drive the built program.

mod cache;
mod command;
mod compile;
mod crash;
mod fuzz;
mod house;
mod hub;
mod input;
mod judge;
mod outputs;
mod program;
mod published;
mod runs;
mod scores;
mod sections;
mod select;
mod support;
