//! What the key of one node is made of, part by part, beside what it was made of last time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use serde_json::Value as Json;

use super::changed::{label, shown_path};
use super::inspect::{Inspected, Inspector};
use super::last::last;
use super::lookup::input_name;
use super::{NodeStatus, RunError};
use crate::cache::{Cache, Manifest};
use crate::plan::{NodeId, Plan, PlanNode};
use crate::table::Digest;

/// A node's key in its parts.
pub struct Explanation {
    pub status: NodeStatus,
    /// None where an input is known only when a node above has run, or a model only when it has been fetched.
    pub key: Option<Digest>,
    pub stored: bool,
    /// The node has been run before, under the same name in the same file.
    pub ran_before: bool,
    pub parts: Vec<Part>,
    /// Keys of the configuration that change speed, not results.
    pub not_counted: Vec<&'static str>,
}

/// One part of a key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// kind, version, config, file or input.
    pub part: &'static str,
    /// The key of the configuration.
    pub name: String,
    /// The file inside of it, or the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// A value, or a digest of 64 hex digits; null where the part is not there now.
    pub now: Option<Json>,
    /// The same of the last run; null where the part was not there then.
    pub before: Option<Json>,
    /// The node that has to run before this part is known: one above, or this one, which fetches its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// It differs from the last run.
    pub changed: bool,
}

/// Takes the key of a node apart. Runs nothing.
pub fn explain(plan: &Plan, id: NodeId, cache: &Cache) -> Result<Explanation, RunError> {
    let above: HashSet<NodeId> = plan.ancestors([id]);
    let mut inspector = Inspector::new(plan, cache);
    for (other, _) in plan.nodes().filter(|(n, _)| *n != id && above.contains(n)) {
        inspector.node(other, false)?;
    }
    let inspected = inspector.node(id, false)?;
    let key = inspected.key();
    let Inspected {
        status,
        manifest,
        unknown,
        to_fetch,
    } = inspected;
    let node = plan.node(id);
    let before = last(plan, node, cache).map(|last| last.manifest);
    let mut parts = parts(&manifest, before.as_ref());
    for &number in &unknown {
        let above = &plan.node(node.inputs[number].from).name;
        wait("input", &input_name(node, number), above, &mut parts);
    }
    for model in to_fetch {
        wait("file", model, &node.name, &mut parts);
    }
    for part in &mut parts {
        name_for_readers(node, part);
    }
    Ok(Explanation {
        key,
        stored: status.tables.is_some(),
        ran_before: before.is_some(),
        parts,
        not_counted: node.contract.speed.clone(),
        status,
    })
}

fn parts(now: &Manifest, before: Option<&Manifest>) -> Vec<Part> {
    let mut parts = vec![
        part("kind", "", |m| Some(m.kind.clone().into()), now, before),
        part("version", "", |m| Some(m.version.into()), now, before),
    ];
    let config = |m: &Manifest| -> Vec<String> {
        let keys = m.config.as_object().map(|map| map.keys().cloned());
        keys.into_iter().flatten().collect()
    };
    let mut keys = config(now);
    let gone = before.map(config).unwrap_or_default();
    keys.extend(gone.into_iter().filter(|k| now.config.get(k).is_none()));
    for key in keys {
        parts.push(part(
            "config",
            &key,
            |m| m.config.get(&key).cloned(),
            now,
            before,
        ));
    }
    members("file", |m| &m.files, now, before, &mut parts);
    members("input", |m| &m.inputs, now, before, &mut parts);
    parts
}

fn part(
    what: &'static str,
    name: &str,
    of: impl Fn(&Manifest) -> Option<Json>,
    now: &Manifest,
    before: Option<&Manifest>,
) -> Part {
    let (value, old) = (of(now), before.and_then(&of));
    Part {
        part: what,
        name: name.to_owned(),
        member: None,
        changed: before.is_some() && value != old,
        now: value,
        before: old,
        waits_for: None,
    }
}

type Group = BTreeMap<String, BTreeMap<String, Digest>>;

fn members(
    what: &'static str,
    of: impl Fn(&Manifest) -> &Group,
    now: &Manifest,
    before: Option<&Manifest>,
    parts: &mut Vec<Part>,
) {
    let both = || [Some(now), before].into_iter().flatten().map(&of);
    let names: BTreeSet<&String> = both().flat_map(BTreeMap::keys).collect();
    for name in names {
        let members: BTreeSet<&String> = both()
            .filter_map(|group| group.get(name))
            .flat_map(BTreeMap::keys)
            .collect();
        for member in members {
            let digest = |m: &Manifest| {
                let digest = of(m).get(name)?.get(member)?;
                Some(Json::from(digest.to_string()))
            };
            parts.push(Part {
                member: Some(member.clone()),
                ..part(what, name, digest, now, before)
            });
        }
    }
}

/// Marks a part that is known when the node `waits_for` has run, and names it where the last run knew nothing of it either.
fn wait(what: &'static str, name: &str, waits_for: &str, parts: &mut Vec<Part>) {
    let waits_for = Some(waits_for.to_owned());
    let mut there = false;
    for part in parts
        .iter_mut()
        .filter(|p| p.part == what && p.name == name && p.now.is_none())
    {
        (part.changed, part.waits_for) = (false, waits_for.clone());
        there = true;
    }
    if !there {
        parts.push(Part {
            part: what,
            name: name.to_owned(),
            member: None,
            now: None,
            before: None,
            waits_for,
            changed: false,
        });
    }
}

/// What the manifest calls `content` or `column` has a path or a reference in the pipeline file.
fn name_for_readers(node: &PlanNode, part: &mut Part) {
    let plain = matches!(part.member.as_deref(), Some("content" | "path"));
    if part.part == "file" && plain {
        part.member = shown_path(node, &part.name);
    }
    if part.part == "input" {
        let mut inputs = node.inputs.iter().enumerate();
        let input = inputs.find(|(number, _)| input_name(node, *number) == part.name);
        part.name = label(&part.name);
        if let Some((_, input)) = input
            && input.need.is_column
            && matches!(part.member.as_deref(), None | Some("column"))
            && !part.name.ends_with(&input.need.text)
        {
            part.member = Some(input.need.text.clone());
        }
    }
}
