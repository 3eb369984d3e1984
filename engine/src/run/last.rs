//! What a node was made from when it last ran: its manifest, and where the rows of its inputs lie.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lookup::input_name;
use crate::cache::{Cache, CacheError, Manifest};
use crate::plan::{Plan, PlanNode};
use crate::table::{Digest, KEY, Table, UNIQUE_IDX};

/// The note of a node's last run.
#[derive(Serialize, Deserialize)]
pub(super) struct Last {
    #[serde(flatten)]
    pub manifest: Manifest,
    /// By the names that inputs have in the manifest.
    #[serde(default)]
    pub seen: BTreeMap<String, Seen>,
}

/// An input as it was: its reference, and the objects that hold its keys and the columns read.
#[derive(Serialize, Deserialize)]
pub(super) struct Seen {
    pub reference: String,
    /// Of tables without records only the reference is kept.
    #[serde(default)]
    pub columns: BTreeMap<String, Place>,
    /// For each chunk its object; columns of one origin lie in the same ones.
    #[serde(default)]
    pub objects: Vec<Vec<Digest>>,
}

/// A column: the number of its list of objects, and its position in them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Place(pub usize, pub usize);

/// Keeps what the node was made from, so that the next run and `plan` can say what changed. To be called
/// when a node's result is stored or was found. `inputs` stand in the order of `node.inputs`.
pub(super) fn remember(
    plan: &Plan,
    node: &PlanNode,
    now: &Manifest,
    inputs: &[Table],
    cache: &Cache,
) -> Result<(), CacheError> {
    if let Some(last) = last(plan, node, cache)
        && last.manifest == *now
        && same_references(node, &last)
    {
        return Ok(());
    }
    let seen = inputs.iter().take(node.inputs.len()).enumerate();
    let last = Last {
        manifest: now.clone(),
        seen: seen
            .map(|(number, table)| (input_name(node, number), Seen::of(node, number, table)))
            .collect(),
    };
    cache.put_note("last", &name(plan, node), &last)
}

/// The note of the node's last run.
pub(super) fn last(plan: &Plan, node: &PlanNode, cache: &Cache) -> Option<Last> {
    cache.note("last", &name(plan, node))
}

fn name(plan: &Plan, node: &PlanNode) -> String {
    let file = std::path::absolute(plan.source.name()).unwrap_or_default();
    format!("{}\n{}", file.display(), node.name)
}

fn same_references(node: &PlanNode, last: &Last) -> bool {
    last.seen.len() == node.inputs.len()
        && node.inputs.iter().enumerate().all(|(number, input)| {
            let seen = last.seen.get(&input_name(node, number));
            seen.is_some_and(|seen| seen.reference == input.need.text)
        })
}

impl Seen {
    fn of(node: &PlanNode, number: usize, table: &Table) -> Self {
        let need = &node.inputs[number].need;
        let mut seen = Self {
            reference: need.text.clone(),
            columns: BTreeMap::new(),
            objects: Vec::new(),
        };
        if table.column_index(KEY).is_none() {
            return seen;
        }
        let all = table.fields().iter().map(|f| f.name().as_str());
        let passed = all.filter(|name| need.passes && *name != UNIQUE_IDX);
        let read = need.reads.iter().map(|read| read.column.as_str());
        for column in [KEY].into_iter().chain(read).chain(passed) {
            if seen.columns.contains_key(column) {
                continue;
            }
            let Some((objects, index)) = objects_of(table, column) else {
                continue;
            };
            let known = seen.objects.iter().position(|known| *known == objects);
            let list = known.unwrap_or_else(|| {
                seen.objects.push(objects);
                seen.objects.len() - 1
            });
            seen.columns.insert(column.to_owned(), Place(list, index));
        }
        seen
    }
}

/// The objects that hold a column, chunk by chunk, and its position in all of them.
pub(super) fn objects_of(table: &Table, column: &str) -> Option<(Vec<Digest>, usize)> {
    let index = table.column_index(column)?;
    let mut position = 0;
    let mut objects = Vec::with_capacity(table.chunks().len());
    for chunk in table.chunks() {
        let (path, at) = chunk.columns[index].place();
        if !objects.is_empty() && at != position {
            return None;
        }
        position = at;
        objects.push(path.file_name()?.to_str()?.parse().ok()?);
    }
    Some((objects, position))
}
