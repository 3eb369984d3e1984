//! The command line of Trommel.
fn main() {}
