//! Keys of nodes and what is stored under them; shared by running and planning.

use std::collections::BTreeMap;
use std::path::Path;

use super::{NodeTables, RunError, arrange, models};
use crate::cache::{Cache, Manifest, TableEntry};
use crate::fast_map::FastMap;
use crate::node::FileUse;
use crate::plan::{NodeId, PlanNode};
use crate::table::{Digest, Digester, KEY, Table, UNIQUE_IDX, strings};

/// The digests of a node's files, once per run.
pub(super) fn manifest_base(node: &PlanNode, cache: &Cache) -> Result<Manifest, RunError> {
    manifest_base_but(node, &[], cache)
}

/// The same without the files under some keys.
pub(super) fn manifest_base_but(
    node: &PlanNode,
    without: &[&str],
    cache: &Cache,
) -> Result<Manifest, RunError> {
    let mut manifest = Manifest::new(
        node.kind_name(),
        node.kind.kind.version(),
        node.identity_config.clone(),
    );
    let needs = node.contract.files.iter();
    for need in needs.filter(|need| !without.contains(&need.key)) {
        let members = manifest.files.entry(need.key.to_owned()).or_default();
        match &need.usage {
            FileUse::File(path) => {
                members.insert("content".into(), cache.files.digest(path.path())?);
            }
            FileUse::Files(_) | FileUse::Program(_) => {
                let found = match &need.usage {
                    FileUse::Program(program) => program.found(),
                    FileUse::Files(path) => path.found(),
                    _ => Ok(Vec::new()),
                };
                let found =
                    found.map_err(|reason| RunError::new(format!("`{}`: {reason}", need.key)))?;
                for (name, file) in found {
                    members.insert(name, cache.files.digest(&file)?);
                }
            }
            FileUse::FilesIn(folder) => {
                members.insert("content".into(), files_in(folder.path(), cache)?);
            }
            FileUse::Folder(path) | FileUse::FolderOf(path) => {
                // Rows hold paths into it, so where it stands is part of the content.
                let folder = match &need.usage {
                    FileUse::FolderOf(file) => file.path().parent().unwrap_or(Path::new(".")),
                    _ => path.path(),
                };
                let place = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
                members.insert(
                    "path".into(),
                    Digest::of_bytes(place.as_os_str().as_encoded_bytes()),
                );
            }
            FileUse::Model(model) => {
                members.extend(models::members(model, need.parts, cache)?);
            }
        }
    }
    Ok(manifest)
}

/// All files of a folder in one digest: there may be one for each row.
fn files_in(folder: &Path, cache: &Cache) -> Result<Digest, RunError> {
    let fault = |e| RunError::new(format!("cannot read the folder {}: {e}", folder.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && folder.join(&name).is_file() {
            names.push(name);
        }
    }
    names.sort();
    let mut digester = Digester::new("trommel.files-in.1");
    for name in names {
        let content = cache.files.digest(&folder.join(&name))?;
        digester.push("name", name.as_encoded_bytes());
        digester.push("content", content.as_bytes());
    }
    Ok(digester.finish())
}

/// The inputs' tables, cut down to what the node reads.
pub(super) fn input_tables(
    node: &PlanNode,
    of: &dyn Fn(NodeId) -> Option<NodeTables>,
) -> Option<Vec<Table>> {
    node.inputs
        .iter()
        .map(|input| of(input.from).and_then(|t| t.ports.get(input.port).cloned()))
        .collect()
}

/// The full manifest: what the node is and what its inputs hold.
pub(super) fn manifest(
    node: &PlanNode,
    base: &Manifest,
    inputs: &[Table],
    cache: &Cache,
) -> Result<Manifest, RunError> {
    let mut manifest = base.clone();
    for (number, table) in inputs.iter().enumerate().take(node.inputs.len()) {
        let digests = input_digests(node, number, table, cache)?;
        manifest.inputs.insert(input_name(node, number), digests);
    }
    Ok(manifest)
}

/// The name that an input has in the manifest.
pub(super) fn input_name(node: &PlanNode, number: usize) -> String {
    let need = &node.inputs[number].need;
    // A list of columns keeps its order; the name counts only where results mention it.
    match (need.named, &need.label, need.is_column) {
        (true, ..) => format!("{}[{number}] {}", need.key, need.text),
        (false, Some(label), _) => format!("{}[{label}]", need.key),
        (false, None, true) => format!("{}[{number}]", need.key),
        (false, None, false) => need.key.to_owned(),
    }
}

/// What an input's table holds, as far as the node reads it.
pub(super) fn input_digests(
    node: &PlanNode,
    number: usize,
    table: &Table,
    cache: &Cache,
) -> Result<BTreeMap<String, Digest>, RunError> {
    let need = &node.inputs[number].need;
    let mut digests = BTreeMap::new();
    if need.passes {
        for field in table.fields() {
            digests.extend(
                table
                    .column_digest(field.name())
                    .map(|d| (field.name().clone(), d)),
            );
        }
    }
    for read in &need.reads {
        let missing = || RunError::new(format!("`{}` has no column `{}`", need.text, read.column));
        let label = if need.is_column {
            "column"
        } else {
            read.column.as_str()
        };
        let digest = if read.files {
            files_digest(table, &read.column, cache)?
        } else {
            table.column_digest(&read.column).ok_or_else(missing)?
        };
        digests.insert(label.to_owned(), digest);
    }
    let aligned = !node.contract.row_wise && table.column_index(KEY).is_some();
    if aligned {
        // Whole-table kinds zip their inputs by key and may speak of rows by it.
        for name in [KEY, UNIQUE_IDX] {
            digests.extend(table.column_digest(name).map(|d| (name.to_owned(), d)));
        }
    }
    Ok(digests)
}

fn files_digest(table: &Table, column: &str, cache: &Cache) -> Result<Digest, RunError> {
    let mut digester = Digester::new("trommel.files-of-rows.1");
    let mut known = FastMap::default();
    for array in table.arrays(column)? {
        for content in contents(&array, &mut known, cache)? {
            digester.push("file", content.as_ref().map_or(&[][..], |d| d.as_bytes()));
        }
    }
    Ok(digester.finish())
}

/// What the files that a column of paths names hold; none where the path is null. A file that
/// cannot be read has a digest of its own: the node says what is wrong with it.
pub(super) fn file_contents(
    array: &arrow::array::ArrayRef,
    cache: &Cache,
) -> Result<Vec<Option<Digest>>, RunError> {
    contents(array, &mut FastMap::default(), cache)
}

/// `known` files are not looked at again: many rows may show one image.
fn contents(
    array: &arrow::array::ArrayRef,
    known: &mut FastMap<String, Digest>,
    cache: &Cache,
) -> Result<Vec<Option<Digest>>, RunError> {
    let paths = strings(array)?;
    let absent = Digest::of_bytes(b"trommel: a file that cannot be read");
    let mut fresh = Vec::new();
    for path in paths.iter().flatten() {
        if !known.contains_key(path) {
            known.insert(path.to_owned(), absent);
            fresh.push(path);
        }
    }
    for (path, digest) in fresh.iter().zip(cache.files.digest_all(&fresh)) {
        if let (Some(place), Ok(digest)) = (known.get_mut(*path), digest) {
            *place = digest;
        }
    }
    Ok(paths.iter().map(|path| Some(known[path?])).collect())
}

/// The stored result under a key. One that lacks a port counts as not there: what decides whether a port is given is no part of
/// the key.
pub(super) fn stored(node: &PlanNode, key: Digest, cache: &Cache) -> Option<TableEntry> {
    let stored = cache.table(key);
    stored.filter(|entry| missing_port(node, entry).is_none())
}

/// A port that the node gives and a stored result of it has not.
pub(super) fn missing_port<'n>(node: &'n PlanNode, entry: &TableEntry) -> Option<&'n str> {
    let mut names = node.contract.ports.iter().map(|port| port.name);
    names.find(|name| entry.ports.iter().all(|port| port.name != *name))
}

/// The stored result under a key as tables.
pub(super) fn load(
    node: &PlanNode,
    entry: &TableEntry,
    inputs: &[Table],
    cache: &Cache,
) -> Result<NodeTables, RunError> {
    let mut ports = entry
        .ports
        .iter()
        .zip(&node.contract.ports)
        .map(|(stored, port)| {
            arrange::table(node, port, &stored.fields, &stored.pieces, inputs, cache)
        })
        .collect::<Result<Vec<_>, _>>()?;
    if node.contract.fails_by_row {
        let errors = match &entry.quarantined {
            Some(errors) => errors,
            None => &arrange::errors_entry(&[], cache)?,
        };
        ports.push(arrange::errors_table(errors, cache));
    }
    Ok(NodeTables {
        ports,
        blobs: entry.blobs().collect(),
        complete: entry.quarantined.is_none(),
    })
}
