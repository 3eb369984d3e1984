//! The account of how an output came about, for those who want to tell or repeat it.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use crate::cache::Manifest;
use crate::node::FileUse;
use crate::plan::{NodeId, Plan, PlanNode, PlanOutput};
use crate::table::KEY;

/// The node of the output and all nodes above it, as they went into their keys, without what depends
/// on where things stand on this machine: equal data, weights and settings give an equal account.
pub(super) fn provenance(
    plan: &Plan,
    output: &PlanOutput,
    manifests: &HashMap<NodeId, &Manifest>,
) -> Json {
    let above = plan.ancestors([output.from]);
    let nodes: serde_json::Map<String, Json> = plan
        .nodes()
        .filter(|(id, _)| above.contains(id))
        .filter_map(|(id, node)| Some((node.name.clone(), account(node, manifests.get(&id)?))))
        .collect();
    json!({ "pipeline": plan.name, "node": plan.node(output.from).name, "nodes": nodes })
}

fn account(node: &PlanNode, manifest: &Manifest) -> Json {
    let is_folder = |key: &str| {
        let mut needs = node.contract.files.iter();
        needs.any(|need| {
            need.key == key && matches!(need.usage, FileUse::Folder(_) | FileUse::FolderOf(_))
        })
    };
    let files: serde_json::Map<String, Json> = manifest
        .files
        .iter()
        .filter(|(key, _)| !is_folder(key))
        .map(|(key, members)| (key.clone(), json!(members)))
        .collect();
    // Of rows that are passed on, the keys say what they are; `image` holds places.
    let passed: Vec<&str> = node
        .inputs
        .iter()
        .filter(|i| i.need.passes)
        .map(|i| i.need.key)
        .collect();
    let inputs: serde_json::Map<String, Json> = manifest
        .inputs
        .iter()
        .map(|(key, members)| {
            let told = members
                .iter()
                .filter(|(name, _)| !passed.contains(&key.as_str()) || *name == KEY)
                .map(|(name, digest)| (name.clone(), json!(digest)))
                .collect::<serde_json::Map<_, _>>();
            (key.clone(), told.into())
        })
        .collect();
    json!({
        "kind": manifest.kind,
        "version": manifest.version,
        "config": manifest.config,
        "files": files,
        "inputs": inputs,
    })
}
