//! Kinds that choose rows.

mod dot;
pub mod greedy;
pub mod rows;
mod similar;
