//! The worker program: models and trainer over libtorch.
fn main() {}
