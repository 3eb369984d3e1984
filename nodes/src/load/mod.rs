//! Kinds that bring data in: annotation files, scores and vectors computed elsewhere.

pub mod llava;
pub mod scores;
pub mod vectors;
