//! The dataflow engine: pipeline files, plans, cache, scheduler.
