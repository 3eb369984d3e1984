//! Vectors that were computed elsewhere: one per row.

mod npy;
pub mod table;
