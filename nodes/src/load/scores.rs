//! Scores that were computed elsewhere: one number or null per row.

pub mod parse;
