//! Keys of nodes and what the cache holds for them; shared by running and planning.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use arrow::array::Array;

use super::{NodeTables, RunError, arrange, rows};
use crate::cache::{Cache, Manifest, TableEntry, difference};
use crate::node::FileUse;
use crate::plan::{NodeId, Plan, PlanNode};
use crate::table::{Digest, Digester, KEY, Table, UNIQUE_IDX, strings};

/// A node of a plan and what is known of it before a run.
pub struct NodeStatus {
    pub id: NodeId,
    pub state: State,
    /// Chunks that the cache holds and all chunks, of a row-wise node whose inputs are known.
    pub chunks: Option<(usize, usize)>,
    /// Why it would run; empty for a hit.
    pub why: String,
    pub tables: Option<NodeTables>,
    /// Of its table entry, where its inputs are known.
    pub key: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Cached,
    Run,
    /// Its inputs are known only when the nodes above it have run.
    Unknown,
}

/// The digests of a node's files, once per run.
pub(super) fn manifest_base(node: &PlanNode, cache: &Cache) -> Result<Manifest, RunError> {
    let mut manifest = Manifest::new(
        node.kind_name(),
        node.kind.kind.version(),
        node.identity_config.clone(),
    );
    for need in &node.contract.files {
        let members = manifest.files.entry(need.key.to_owned()).or_default();
        match &need.usage {
            FileUse::File(path) => {
                members.insert("content".into(), cache.files.digest(path.path())?);
            }
            FileUse::Files(path) => {
                let found = path
                    .found()
                    .map_err(|reason| RunError::new(format!("`{}`: {reason}", need.key)))?;
                for (name, file) in found {
                    members.insert(name, cache.files.digest(&file)?);
                }
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
                let folder = model.resolve().map_err(RunError::new)?;
                members.extend(cache.files.model(&folder)?);
            }
        }
    }
    Ok(manifest)
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
    for (number, (input, table)) in node.inputs.iter().zip(inputs).enumerate() {
        // A list of columns keeps its order; the name counts only where results mention it.
        let name = match (input.need.named, input.need.is_column) {
            (true, _) => format!("{}[{number}] {}", input.need.key, input.need.text),
            (false, true) => format!("{}[{number}]", input.need.key),
            (false, false) => input.need.key.to_owned(),
        };
        let mut digests = BTreeMap::new();
        if input.need.passes {
            for field in table.fields() {
                digests.extend(
                    table
                        .column_digest(field.name())
                        .map(|d| (field.name().clone(), d)),
                );
            }
        }
        for read in &input.need.reads {
            let missing = || {
                RunError::new(format!(
                    "`{}` has no column `{}`",
                    input.need.text, read.column
                ))
            };
            let label = if input.need.is_column {
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
        manifest.inputs.insert(name, digests);
    }
    Ok(manifest)
}

fn files_digest(table: &Table, column: &str, cache: &Cache) -> Result<Digest, RunError> {
    let mut digester = Digester::new("trommel.files-of-rows.1");
    for array in table.arrays(column)? {
        for content in file_contents(&array, cache)? {
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
    let paths = strings(array)?;
    let absent = Digest::of_bytes(b"trommel: a file that cannot be read");
    Ok((0..paths.len())
        .map(|row| {
            paths.is_valid(row).then(|| {
                cache
                    .files
                    .digest(paths.value(row).as_ref())
                    .unwrap_or(absent)
            })
        })
        .collect())
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
    if node.contract.row_wise {
        let errors = match &entry.quarantined {
            Some(errors) => errors,
            None => &arrange::errors_entry(&[], cache)?,
        };
        ports.push(arrange::errors_table(errors, cache));
    }
    Ok(NodeTables {
        ports,
        complete: entry.quarantined.is_none(),
    })
}

/// Why a node runs: what differs from the last time.
pub(super) fn reason(plan: &Plan, node: &PlanNode, now: &Manifest, cache: &Cache) -> String {
    match cache.note::<Manifest>("last", &last_name(plan, node)) {
        None => "new".into(),
        Some(before) => {
            let changes = difference(&before, now);
            if changes.is_empty() {
                "the cache no longer has it".into()
            } else {
                changes.join("; ")
            }
        }
    }
}

/// As `reason`, while the inputs are still coming: what can be said of the node itself.
pub(super) fn early_reason(plan: &Plan, node: &PlanNode, base: &Manifest, cache: &Cache) -> String {
    let Some(mut before) = cache.note::<Manifest>("last", &last_name(plan, node)) else {
        return "new".into();
    };
    before.inputs.clear();
    let changes = difference(&before, base);
    if changes.is_empty() {
        "new rows".into()
    } else {
        changes.join("; ")
    }
}

pub(super) fn last_name(plan: &Plan, node: &PlanNode) -> String {
    let file = std::path::absolute(plan.source.name()).unwrap_or_default();
    format!("{}\n{}", file.display(), node.name)
}

/// Looks every node of `nodes` up, in order, and runs nothing.
pub fn inspect(
    plan: &Plan,
    nodes: &HashSet<NodeId>,
    cache: &Cache,
) -> Result<Vec<NodeStatus>, RunError> {
    let mut known: HashMap<NodeId, NodeTables> = HashMap::new();
    let mut statuses = Vec::new();
    for (id, node) in plan.nodes().filter(|(id, _)| nodes.contains(id)) {
        let status = inspect_node(plan, id, node, &known, cache)?;
        if let Some(tables) = &status.tables {
            known.insert(id, tables.clone());
        }
        statuses.push(status);
    }
    Ok(statuses)
}

fn inspect_node(
    plan: &Plan,
    id: NodeId,
    node: &PlanNode,
    known: &HashMap<NodeId, NodeTables>,
    cache: &Cache,
) -> Result<NodeStatus, RunError> {
    let Some(inputs) = input_tables(node, &|from| known.get(&from).cloned()) else {
        let mut above: Vec<&str> = node
            .inputs
            .iter()
            .filter(|i| !known.contains_key(&i.from))
            .map(|i| plan.node(i.from).name.as_str())
            .collect();
        above.dedup();
        let why = format!("depends on what {} gives", above.join(", "));
        return Ok(NodeStatus {
            id,
            state: State::Unknown,
            chunks: None,
            why,
            tables: None,
            key: None,
        });
    };
    let base = manifest_base(node, cache)?;
    let full = manifest(node, &base, &inputs, cache)?;
    if let Some(entry) = cache.table(full.key()) {
        let tables = load(node, &entry, &inputs, cache)?;
        let count = inputs.first().map_or(0, |t| t.chunks().len());
        let failed: usize = entry
            .quarantined
            .iter()
            .flat_map(|p| &p.pieces)
            .map(|p| p.rows)
            .sum();
        // Rows in quarantine are tried again, but what there is of the node can be looked at.
        let (state, chunks, why) = if failed > 0 {
            let chunks = rows::cached_chunks(node, &base, &inputs, cache)?;
            (
                State::Run,
                Some(chunks),
                format!("tries {failed} quarantined rows again"),
            )
        } else {
            let chunks = node.contract.row_wise.then_some((count, count));
            (State::Cached, chunks, String::new())
        };
        return Ok(NodeStatus {
            id,
            state,
            chunks,
            why,
            tables: Some(tables),
            key: Some(full.key()),
        });
    }
    let chunks = if node.contract.row_wise {
        Some(rows::cached_chunks(node, &base, &inputs, cache)?)
    } else {
        None
    };
    let why = reason(plan, node, &full, cache);
    Ok(NodeStatus {
        id,
        state: State::Run,
        chunks,
        why,
        tables: None,
        key: Some(full.key()),
    })
}
