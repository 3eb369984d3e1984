//! What nodes that will run cost, where their kinds can tell: requests of rows without a result, memory.

use std::collections::HashMap;

use arrow::array::RecordBatch;

use super::answers::Shared;
use super::chunk_input::{ChunkInput, parts};
use super::lookup::{input_tables, manifest_base};
use super::memory::needed;
use super::{NodeStatus, NodeTables, RunError, State};
use crate::cache::{Cache, Manifest, RowIndex};
use crate::node::Estimate;
use crate::plan::{NodeId, Plan, PlanNode};
use crate::table::Table;

/// Of those nodes among `statuses` (the whole of what [`super::inspect`] gave) that will run on rows that are known.
pub fn estimates(
    plan: &Plan,
    statuses: &[NodeStatus],
    cache: &Cache,
) -> Result<HashMap<NodeId, Estimate>, RunError> {
    let mut found = HashMap::new();
    let runs = |status: &NodeStatus| matches!(status.state, State::Run | State::Partial);
    for (status, inputs) in with_inputs(plan, statuses).filter(|(status, _)| runs(status)) {
        let node = plan.node(status.id);
        if let Some(estimator) = &node.contract.estimator {
            let base = manifest_base(node, cache)?;
            let rows = without_result(node, &base, &inputs, cache)?;
            let estimate = estimator.estimate(&rows, &Shared(cache))?;
            found.insert(status.id, estimate);
        }
    }
    Ok(found)
}

/// Bytes that those nodes among `statuses` (the whole of what [`super::inspect`] gave) would hold in memory at most that are
/// no hits and whose inputs are known, of what they declare.
pub fn memory(plan: &Plan, statuses: &[NodeStatus], cache: &Cache) -> HashMap<NodeId, u64> {
    with_inputs(plan, statuses)
        .filter(|(status, _)| status.state != State::Hit)
        .map(|(status, inputs)| (status.id, needed(plan.node(status.id), &inputs, cache)))
        .collect()
}

/// The nodes whose inputs are all known, with these.
fn with_inputs<'a>(
    plan: &'a Plan,
    statuses: &'a [NodeStatus],
) -> impl Iterator<Item = (&'a NodeStatus, Vec<Table>)> {
    let known: HashMap<NodeId, &NodeTables> = statuses
        .iter()
        .filter_map(|status| Some((status.id, status.tables.as_ref()?)))
        .collect();
    statuses.iter().filter_map(move |status| {
        let of = |from| known.get(&from).map(|tables| (*tables).clone());
        Some((status, input_tables(plan.node(status.id), &of)?))
    })
}

/// The rows that would be handed to the node. A whole-table node gets all of them.
fn without_result(
    node: &PlanNode,
    base: &Manifest,
    inputs: &[Table],
    cache: &Cache,
) -> Result<Vec<RecordBatch>, RunError> {
    let index = if node.contract.row_wise {
        RowIndex::load(cache, base.identity())
    } else {
        RowIndex::default()
    };
    let chunks = inputs.iter().map(|table| table.chunks().len()).min();
    let mut found = Vec::new();
    for chunk in 0..chunks.unwrap_or(0) {
        let input = ChunkInput::read(node, &parts(inputs, chunk), cache, true)?;
        if node.contract.row_wise && cache.chunk(input.key(base)).is_some() {
            continue;
        }
        let digests = input.row_digests()?;
        let digests = digests.iter().enumerate();
        let rows: Vec<usize> = digests
            .filter(|(_, digest)| index.find(digest).is_none())
            .map(|(row, _)| row)
            .collect();
        if !rows.is_empty() {
            found.push(input.batch(&rows)?);
        }
    }
    Ok(found)
}
