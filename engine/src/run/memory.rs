//! How much memory a node says that it needs, from the sizes of what it reads.

use std::collections::HashSet;
use std::path::Path;

use super::models;
use crate::cache::Cache;
use crate::node::{FileNeed, FileUse};
use crate::plan::PlanNode;
use crate::table::Table;

/// Bytes; 0 where the kind declares nothing. What cannot be looked at counts as nothing: this only orders work.
pub(super) fn needed(node: &PlanNode, inputs: &[Table], cache: &Cache) -> u64 {
    let of = |&(key, times): &(&str, f64)| {
        let tables = node.inputs.iter().zip(inputs);
        let read = tables
            .filter(|(input, _)| input.need.key == key)
            .map(|(input, table)| stored_bytes(table, input.column.as_deref()));
        let files = node.contract.files.iter().filter(|need| need.key == key);
        let named = files.map(|need| file_bytes(need, cache));
        (read.chain(named).sum::<u64>() as f64 * times) as u64
    };
    let read: u64 = node.contract.memory.iter().map(of).sum();
    read + node.contract.memory_beside
}

/// Of one column or of all.
fn stored_bytes(table: &Table, column: Option<&str>) -> u64 {
    let place = column.and_then(|name| table.fields().iter().position(|f| f.name() == name));
    let columns = table.chunks().iter().flat_map(|chunk| match place {
        Some(place) => &chunk.columns[place..=place],
        None => &chunk.columns[..],
    });
    let objects: HashSet<&Path> = columns.map(|column| column.place().0).collect();
    objects.into_iter().map(size).sum()
}

fn file_bytes(need: &FileNeed, cache: &Cache) -> u64 {
    match &need.usage {
        FileUse::File(path) => size(path.path()),
        FileUse::Files(path) => path
            .found()
            .map_or(0, |found| found.iter().map(|(_, file)| size(file)).sum()),
        FileUse::FilesIn(_) | FileUse::Folder(_) | FileUse::FolderOf(_) | FileUse::Program(_) => 0,
        FileUse::Model(model) => {
            let Ok(folder) = model.resolve() else {
                return 0;
            };
            let files = models::members(model, need.parts, cache).unwrap_or_default();
            let within = |name: &String| {
                let file = folder.join(name);
                if file.exists() {
                    size(&file)
                } else {
                    size(&folder)
                }
            };
            files.iter().map(|(name, _)| within(name)).sum()
        }
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
