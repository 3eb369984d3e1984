//! Kinds that put rows in order.

pub mod score;
