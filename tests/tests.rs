//! User-level tests: they drive the built program.
