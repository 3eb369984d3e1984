//! Two runs: what was set differently, how long each node took, and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value as Json};
use trommel_engine::cache::{
    Cache, NodeState, RecordedNode, RunNode, RunPipeline, RunRecord, RunState, TableEntry,
};
use trommel_engine::table::{Digest, KEY, floats};

use super::selection::{Compared, Correlation, Selection, compare, stored_table};
use super::statistics::spearman;

#[derive(Serialize)]
pub(crate) struct RunsCompared {
    pub(super) a: Head,
    pub(super) b: Head,
    /// Parameters that differ.
    pub(super) params: Vec<Change>,
    /// Of nodes that both have: kinds, versions and configurations that differ.
    pub(super) config: Vec<Change>,
    pub(super) nodes: Vec<NodePair>,
    pub(super) selections: BTreeMap<String, Outcome<Compared>>,
    /// Of nodes that give every row a difficulty.
    pub(super) rankings: BTreeMap<String, Outcome<Correlation>>,
}

#[derive(Serialize)]
pub(crate) struct Head {
    pub(super) run: String,
    pub(super) pipeline: String,
    pub(super) state: RunState,
    pub(super) seconds: f64,
    pub(super) version: String,
}

/// One setting; none where a side does not have it.
#[derive(Serialize)]
pub(crate) struct Change {
    pub(super) what: String,
    pub(super) a: Option<Json>,
    pub(super) b: Option<Json>,
}

#[derive(Serialize)]
pub(crate) struct NodePair {
    pub(super) node: String,
    pub(super) a: Option<NodeSide>,
    pub(super) b: Option<NodeSide>,
    /// Both have the same key, so the same result.
    pub(super) same: bool,
}

#[derive(Serialize)]
pub(crate) struct NodeSide {
    pub(super) state: NodeState,
    pub(super) rows: usize,
    pub(super) seconds: f64,
}

/// What is known of a pair of tables, or why nothing is.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome<T> {
    Compared(T),
    NotCompared(String),
}

pub(crate) fn compare_runs(cache: &Cache, a: &RunRecord, b: &RunRecord) -> RunsCompared {
    let (mut selections, mut rankings) = (BTreeMap::new(), BTreeMap::new());
    for (name, of_a) in a.nodes_in_order() {
        let Some(of_b) = b.nodes.get(name) else {
            continue;
        };
        let both = |family: &str| of_a.kind.starts_with(family) && of_b.kind.starts_with(family);
        if both("select.") {
            selections.insert(name.to_owned(), outcome(picked(cache, a, b, name)));
        } else if both("rank.")
            && let Some(ranked) = ranked(cache, a, b, name).transpose()
        {
            rankings.insert(name.to_owned(), outcome(ranked));
        }
    }
    let (set_a, set_b) = (cache.run_pipeline(&a.id), cache.run_pipeline(&b.id));
    RunsCompared {
        a: head(a),
        b: head(b),
        params: changes("", as_map(&a.params), as_map(&b.params)),
        config: set_a
            .zip(set_b)
            .map_or_else(Vec::new, |(a, b)| config_changes(&a, &b)),
        nodes: pairs(a, b),
        selections,
        rankings,
    }
}

fn outcome<T>(result: Result<T, String>) -> Outcome<T> {
    match result {
        Ok(compared) => Outcome::Compared(compared),
        Err(why) => Outcome::NotCompared(why),
    }
}

fn head(record: &RunRecord) -> Head {
    Head {
        run: record.id.clone(),
        pipeline: record.pipeline.clone(),
        state: record.state,
        seconds: record.seconds,
        version: record.version.clone(),
    }
}

fn pairs(a: &RunRecord, b: &RunRecord) -> Vec<NodePair> {
    let mut names: Vec<&str> = a
        .nodes_in_order()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let others = b.nodes_in_order().into_iter().map(|(name, _)| name);
    names.extend(others.filter(|name| !a.nodes.contains_key(*name)));
    let side = |node: &RunNode| NodeSide {
        state: node.state,
        rows: node.rows,
        seconds: node.seconds,
    };
    names
        .into_iter()
        .map(|name| {
            let (a, b) = (a.nodes.get(name), b.nodes.get(name));
            let keys = (a.and_then(|n| n.key), b.and_then(|n| n.key));
            NodePair {
                node: name.to_owned(),
                a: a.map(side),
                b: b.map(side),
                same: keys.0.is_some() && keys.0 == keys.1,
            }
        })
        .collect()
}

fn as_map(value: &Json) -> Map<String, Json> {
    value.as_object().cloned().unwrap_or_default()
}

fn changes(prefix: &str, mut a: Map<String, Json>, mut b: Map<String, Json>) -> Vec<Change> {
    let names: BTreeSet<String> = a.keys().chain(b.keys()).cloned().collect();
    names
        .into_iter()
        .filter_map(|name| {
            let (a, b) = (a.remove(&name), b.remove(&name));
            let what = format!("{prefix}{name}");
            (a != b).then_some(Change { what, a, b })
        })
        .collect()
}

fn config_changes(a: &RunPipeline, b: &RunPipeline) -> Vec<Change> {
    let mut all = Vec::new();
    for of_a in &a.nodes {
        let Some(of_b) = b.nodes.iter().find(|n| n.name == of_a.name) else {
            continue;
        };
        let settings = |node: &RecordedNode| {
            let mut map = as_map(&node.config);
            map.insert("kind".into(), node.kind.clone().into());
            map.insert("version of the kind".into(), node.version.into());
            map
        };
        all.extend(changes(
            &format!("{}.", of_a.name),
            settings(of_a),
            settings(of_b),
        ));
    }
    all
}

/// What the cache still holds of a node.
fn entry(cache: &Cache, record: &RunRecord, node: &str) -> Result<(Digest, TableEntry), String> {
    let key = record.nodes.get(node).and_then(|n| n.key);
    let key = key.ok_or_else(|| format!("`{node}` was not done in {}", record.id))?;
    let entry = cache.table(key);
    let entry = entry.ok_or_else(|| {
        format!(
            "the cache no longer holds what `{node}` gave in {}",
            record.id
        )
    })?;
    Ok((key, entry))
}

/// What a select node of a run picked.
pub(crate) fn selection_of(
    cache: &Cache,
    record: &RunRecord,
    node: &str,
) -> Result<Selection, String> {
    let (_, entry) = entry(cache, record, node)?;
    let port = entry.ports.first().ok_or("it has no ports")?;
    Selection::stored(port, cache)
}

fn picked(cache: &Cache, a: &RunRecord, b: &RunRecord, node: &str) -> Result<Compared, String> {
    let (a, b) = (selection_of(cache, a, node)?, selection_of(cache, b, node)?);
    Ok(compare(&a, &b))
}

/// The difficulties of all rows, if both runs ranked the same rows; none where there is no such column.
fn ranked(
    cache: &Cache,
    a: &RunRecord,
    b: &RunRecord,
    node: &str,
) -> Result<Option<Correlation>, String> {
    const DIFFICULTY: &str = "difficulty";
    let ((_, a), (_, b)) = (entry(cache, a, node)?, entry(cache, b, node)?);
    let column = |entry: &TableEntry| -> Result<Option<Vec<Option<f64>>>, String> {
        let table = entry.ports.first().map(|port| stored_table(port, cache));
        let Some(table) = table.filter(|t| t.field(DIFFICULTY).is_some()) else {
            return Ok(None);
        };
        let mut all = Vec::new();
        for array in table.arrays(DIFFICULTY).map_err(|e| e.to_string())? {
            all.extend(floats(&array).map_err(|e| e.to_string())?);
        }
        Ok(Some(all))
    };
    let (Some(of_a), Some(of_b)) = (column(&a)?, column(&b)?) else {
        return Ok(None);
    };
    if rows_read(&a) != rows_read(&b) || of_a.len() != of_b.len() {
        return Err("the two runs ranked different rows".to_owned());
    }
    let both = of_a.into_iter().zip(of_b);
    let pairs: Vec<(f64, f64)> = both.filter_map(|(a, b)| Some((a?, b?))).collect();
    Ok(Some(Correlation {
        column: DIFFICULTY.to_owned(),
        rows: pairs.len(),
        spearman: spearman(&pairs),
    }))
}

/// The digests of the keys of the rows that a node read.
fn rows_read(entry: &TableEntry) -> BTreeSet<Digest> {
    let inputs = entry.manifest.inputs.values();
    inputs
        .filter_map(|members| members.get(KEY).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_that_differ_are_named() {
        let a = as_map(&json!({ "keep": 25, "features": ["x"], "same": 1 }));
        let b = as_map(&json!({ "keep": 30, "features": ["x"], "same": 1, "more": null }));
        let found = changes("n.", a, b);
        let told: Vec<_> = found
            .iter()
            .map(|c| (c.what.as_str(), &c.a, &c.b))
            .collect();
        assert_eq!(
            told,
            [
                ("n.keep", &Some(json!(25)), &Some(json!(30))),
                ("n.more", &None, &Some(json!(null))),
            ]
        );
    }
}
