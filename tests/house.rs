//! The rules of the house, read from the sources: layering, files, kinds, the schema.

mod files;
mod kinds;
mod layers;
mod measures;
mod schema;
mod source;
