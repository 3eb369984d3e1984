//! Looks nodes up in order without running any: what is cached, what would run, and why.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::changed::{known_reasons, quarantined, reasons};
use super::chunk_input::{ChunkInput, parts};
use super::lookup::{input_digests, input_name, input_tables, load, manifest_base_but, stored};
use super::models::to_fetch;
use super::{NodeTables, Reason, RunError};
use crate::cache::{Cache, Manifest, RowIndex};
use crate::plan::{NodeId, Plan, PlanNode};
use crate::table::{Digest, Table};

/// A node of a plan and what is known of it before a run.
pub struct NodeStatus {
    pub id: NodeId,
    pub state: State,
    /// Rows of the default port, where they are known. Of a whole-table node all or none are cached.
    pub rows: Option<Count>,
    /// Chunks of a row-wise node whose inputs are known.
    pub chunks: Option<Count>,
    /// Why it would run; empty for a hit.
    pub reasons: Vec<Reason>,
    /// What the cache holds for it as things stand.
    pub tables: Option<NodeTables>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    pub cached: usize,
    pub all: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Hit,
    /// It runs, but only for some of its rows.
    Partial,
    Run,
    /// A node above it runs first, or a model is fetched first, and what that gives decides.
    Unknown,
}

impl State {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Partial => "PARTIAL",
            Self::Run => "RUN",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Looks every node of `nodes` up, in order, as if those of `forced` were to be computed again.
pub fn inspect(
    plan: &Plan,
    nodes: &HashSet<NodeId>,
    forced: &HashSet<NodeId>,
    cache: &Cache,
) -> Result<Vec<NodeStatus>, RunError> {
    let mut inspector = Inspector::new(plan, cache);
    let nodes = plan.nodes().filter(|(id, _)| nodes.contains(id));
    nodes
        .map(|(id, _)| Ok(inspector.node(id, forced.contains(&id))?.status))
        .collect()
}

/// The keys of all nodes, as far as the cache holds what they are made from.
pub fn keys(plan: &Plan, cache: &Cache) -> Result<Vec<Digest>, RunError> {
    let mut inspector = Inspector::new(plan, cache);
    let mut keys = Vec::new();
    for (id, _) in plan.nodes() {
        keys.extend(inspector.node(id, false)?.key());
    }
    Ok(keys)
}

/// What is known so far.
pub(super) struct Inspector<'a> {
    plan: &'a Plan,
    cache: &'a Cache,
    /// Tables that are stored, also of nodes that are looked at again.
    known: HashMap<NodeId, NodeTables>,
    /// Nodes that will give what is stored.
    hits: HashSet<NodeId>,
}

/// A status, and the manifest with the inputs that are known.
pub(super) struct Inspected {
    pub status: NodeStatus,
    pub manifest: Manifest,
    /// Of inputs that are not known: their number in the node's list.
    pub unknown: Vec<usize>,
    /// Keys of models that are not known before they are fetched.
    pub to_fetch: Vec<&'static str>,
}

impl Inspected {
    /// The node's key, where all that it is made of is known.
    pub(super) fn key(&self) -> Option<Digest> {
        let known = self.unknown.is_empty() && self.to_fetch.is_empty();
        known.then(|| self.manifest.key())
    }
}

impl<'a> Inspector<'a> {
    pub(super) fn new(plan: &'a Plan, cache: &'a Cache) -> Self {
        Self {
            plan,
            cache,
            known: HashMap::new(),
            hits: HashSet::new(),
        }
    }

    /// To be called for a node after those that it reads.
    pub(super) fn node(&mut self, id: NodeId, forced: bool) -> Result<Inspected, RunError> {
        let node = self.plan.node(id);
        let models = to_fetch(node);
        let keys: Vec<&'static str> = models.iter().map(|(need, _)| need.key).collect();
        let base = manifest_base_but(node, &keys, self.cache)?;
        let inputs = input_tables(node, &|from| self.known.get(&from).cloned());
        let mut inspected = match inputs.filter(|_| keys.is_empty()) {
            Some(inputs) => self.with_inputs(id, node, &base, &inputs)?,
            None => self.without_inputs(id, node, &base)?,
        };
        let status = &mut inspected.status;
        let above = self.uncertain_inputs(node);
        // A model that is not known did not go away.
        let of_model =
            |r: &Reason| matches!(r, Reason::File { key, .. } if keys.contains(&key.as_str()));
        status.reasons.retain(|reason| !of_model(reason));
        status
            .reasons
            .extend(models.iter().map(|(need, model)| Reason::Fetch {
                key: need.key.to_owned(),
                model: model.shown.clone(),
            }));
        inspected.to_fetch = keys;
        if forced {
            status.state = State::Run;
            status.reasons = vec![Reason::Forced];
            for count in [&mut status.rows, &mut status.chunks].into_iter().flatten() {
                count.cached = 0;
            }
        } else if !above.is_empty() {
            status.state = State::Unknown;
            status.reasons.push(Reason::Upstream { nodes: above });
        }
        if let Some(tables) = &status.tables {
            self.known.insert(id, tables.clone());
        }
        if status.state == State::Hit {
            self.hits.insert(id);
        }
        Ok(inspected)
    }

    /// Inputs that will not surely be what is stored, each named once.
    fn uncertain_inputs(&self, node: &PlanNode) -> Vec<String> {
        let mut seen = HashSet::new();
        node.inputs
            .iter()
            .filter(|input| !self.hits.contains(&input.from) && seen.insert(input.from))
            .map(|input| self.plan.node(input.from).name.clone())
            .collect()
    }

    fn with_inputs(
        &self,
        id: NodeId,
        node: &PlanNode,
        base: &Manifest,
        inputs: &[Table],
    ) -> Result<Inspected, RunError> {
        let cache = self.cache;
        let manifest = super::lookup::manifest(node, base, inputs, cache)?;
        let mut status = NodeStatus {
            id,
            state: State::Run,
            rows: None,
            chunks: None,
            reasons: Vec::new(),
            tables: None,
        };
        let entry = stored(node, manifest.key(), cache);
        let mut failed = 0;
        if let Some(entry) = &entry {
            let tables = load(node, entry, inputs, cache)?;
            failed = quarantined(entry);
            let rows = tables.ports.first().map_or(0, Table::rows);
            status.rows = Some(Count::full(rows));
            status.tables = Some(tables);
        }
        if entry.is_some() && failed == 0 {
            status.state = State::Hit;
            let chunks = inputs.first().map_or(0, |t| t.chunks().len());
            status.chunks = node.contract.row_wise.then(|| Count::full(chunks));
        } else if node.contract.row_wise {
            let (rows, chunks) = cached_rows(node, base, inputs, cache)?;
            if rows.cached > 0 {
                status.state = State::Partial;
            }
            (status.rows, status.chunks) = (Some(rows), Some(chunks));
        }
        // Failed rows are tried again, but what there is of the node can be looked at.
        if status.state != State::Hit {
            status.reasons = reasons(self.plan, node, &manifest, inputs, cache);
        }
        Ok(Inspected {
            status,
            manifest,
            unknown: Vec::new(),
            to_fetch: Vec::new(),
        })
    }

    fn without_inputs(
        &self,
        id: NodeId,
        node: &PlanNode,
        base: &Manifest,
    ) -> Result<Inspected, RunError> {
        let mut manifest = base.clone();
        let mut unknown = Vec::new();
        let mut inputs = Vec::new();
        for (number, input) in node.inputs.iter().enumerate() {
            let tables = self.known.get(&input.from);
            let table = tables.and_then(|t| t.ports.get(input.port));
            match table {
                Some(table) => {
                    let digests = input_digests(node, number, table, self.cache)?;
                    manifest.inputs.insert(input_name(node, number), digests);
                }
                None => unknown.push(number),
            }
            inputs.push(table);
        }
        let reasons = known_reasons(self.plan, node, &manifest, &inputs, self.cache);
        let status = NodeStatus {
            id,
            state: State::Unknown,
            rows: None,
            chunks: None,
            reasons,
            tables: None,
        };
        Ok(Inspected {
            status,
            manifest,
            unknown,
            to_fetch: Vec::new(),
        })
    }
}

impl Count {
    fn full(all: usize) -> Self {
        Self { cached: all, all }
    }
}

/// Rows and chunks that need no work: as in a run, a chunk that is not stored is looked up row by row.
fn cached_rows(
    node: &PlanNode,
    base: &Manifest,
    inputs: &[Table],
    cache: &Cache,
) -> Result<(Count, Count), RunError> {
    let all = inputs.first().map_or(0, |t| t.chunks().len());
    let mut chunks = Count { cached: 0, all };
    let mut rows = Count { cached: 0, all: 0 };
    let mut index = None;
    for chunk in 0..all {
        let input = ChunkInput::read(node, &parts(inputs, chunk), cache, false)?;
        rows.all += input.rows;
        if cache.chunk(input.key(base)).is_some() {
            chunks.cached += 1;
            rows.cached += input.rows;
            continue;
        }
        let index = index.get_or_insert_with(|| RowIndex::load(cache, base.identity()));
        if !index.is_empty() {
            let input = ChunkInput::read(node, &parts(inputs, chunk), cache, true)?;
            let digests = input.row_digests()?;
            rows.cached += digests.iter().filter(|d| index.find(d).is_some()).count();
        }
    }
    Ok((rows, chunks))
}
