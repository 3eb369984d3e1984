//! What changed since a node's last run: its manifest against the one of then, part by part.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::Reason;
use super::compare::compare;
use super::last::{Last, last};
use super::lookup::{input_name, missing_port};
use super::reason::Change;
use crate::cache::{Cache, Manifest, TableEntry};
use crate::node::FileUse;
use crate::plan::{Plan, PlanNode};
use crate::table::{Digest, KEY, Table, UNIQUE_IDX};

/// Why a node runs whose result is not in the cache, or lacks rows. `inputs` stand in the order of `node.inputs`.
pub(super) fn reasons(
    plan: &Plan,
    node: &PlanNode,
    now: &Manifest,
    inputs: &[Table],
    cache: &Cache,
) -> Vec<Reason> {
    let stored = cache.table(now.key());
    let rows = stored.as_ref().map_or(0, quarantined);
    if rows > 0 {
        return vec![Reason::Quarantined { rows }];
    }
    let inputs: Vec<Option<&Table>> = inputs.iter().map(Some).collect();
    let found = known_reasons(plan, node, now, &inputs, cache);
    if !found.is_empty() {
        return found;
    }
    let lacking = stored.and_then(|entry| missing_port(node, &entry).map(str::to_owned));
    vec![lacking.map_or(Reason::NotStored, |port| Reason::Port { port })]
}

/// Rows of a stored result that failed and were set aside.
pub(super) fn quarantined(entry: &TableEntry) -> usize {
    let errors = entry.quarantined.iter().flat_map(|errors| &errors.pieces);
    errors.map(|piece| piece.rows).sum()
}

/// As [`reasons`], where some inputs are not known yet: those say nothing, and nothing found means
/// that nothing is known to have changed.
pub(super) fn known_reasons(
    plan: &Plan,
    node: &PlanNode,
    now: &Manifest,
    inputs: &[Option<&Table>],
    cache: &Cache,
) -> Vec<Reason> {
    let Some(last) = last(plan, node, cache) else {
        return vec![Reason::New];
    };
    let mut found = Vec::new();
    of_identity(&last.manifest, now, &mut found);
    of_files(node, &last.manifest, now, &mut found);
    of_inputs(node, &last, now, inputs, cache, &mut found);
    found
}

fn of_identity(old: &Manifest, new: &Manifest, found: &mut Vec<Reason>) {
    if old.kind != new.kind {
        found.push(Reason::Kind {
            from: old.kind.clone(),
            to: new.kind.clone(),
        });
    } else if old.version != new.version {
        found.push(Reason::Version {
            kind: new.kind.clone(),
            from: old.version,
            to: new.version,
        });
    }
    of_config("", Some(&old.config), Some(&new.config), found);
}

/// Mappings are looked into: `prompt.text` says more than all of `prompt`.
fn of_config(key: &str, old: Option<&Json>, new: Option<&Json>, found: &mut Vec<Reason>) {
    if old == new {
        return;
    }
    if let (Some(Json::Object(before)), Some(Json::Object(after))) = (old, new) {
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for inner in keys {
            let name = if key.is_empty() {
                inner.clone()
            } else {
                format!("{key}.{inner}")
            };
            of_config(&name, before.get(inner), after.get(inner), found);
        }
        return;
    }
    found.push(Reason::Config {
        key: key.to_owned(),
        from: old.cloned(),
        to: new.cloned(),
    });
}

type Members = BTreeMap<String, Digest>;

/// Names in either, each with how it changed.
fn changed_names(old: &Members, new: &Members) -> Vec<(String, Change)> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |name: &String| match (old.get(name), new.get(name)) {
        (None, _) => Some(Change::New),
        (_, None) => Some(Change::Gone),
        (a, b) => (a != b).then_some(Change::Changed),
    };
    names
        .into_iter()
        .filter_map(|name| Some((name.clone(), change(name)?)))
        .collect()
}

fn of_files(node: &PlanNode, old: &Manifest, new: &Manifest, found: &mut Vec<Reason>) {
    let none = Members::new();
    let keys: BTreeSet<&String> = old.files.keys().chain(new.files.keys()).collect();
    for key in keys {
        let shown = shown_path(node, key);
        let (before, after) = (old.files.get(key), new.files.get(key));
        if let (None, _) | (_, None) = (before, after) {
            let change = if before.is_none() {
                Change::New
            } else {
                Change::Gone
            };
            found.push(Reason::File {
                key: key.clone(),
                paths: shown.into_iter().collect(),
                change,
            });
            continue;
        }
        let mut by_change: BTreeMap<u8, (Change, Vec<String>)> = BTreeMap::new();
        for (name, change) in changed_names(before.unwrap_or(&none), after.unwrap_or(&none)) {
            let (change, path) = match name.as_str() {
                "content" => (change, shown.clone()),
                "path" => (Change::Moved, shown.clone()),
                _ => (change, Some(name)),
            };
            let (_, paths) = by_change
                .entry(change as u8)
                .or_insert_with(|| (change, Vec::new()));
            paths.extend(path);
        }
        found.extend(by_change.into_values().map(|(change, paths)| Reason::File {
            key: key.clone(),
            paths,
            change,
        }));
    }
}

/// The path as it stands in the pipeline file; what comes from the environment stays a name.
pub(super) fn shown_path(node: &PlanNode, key: &str) -> Option<String> {
    let need = node.contract.files.iter().find(|need| need.key == key)?;
    Some(match &need.usage {
        FileUse::File(path)
        | FileUse::Files(path)
        | FileUse::FilesIn(path)
        | FileUse::Folder(path) => path.shown().to_owned(),
        FileUse::FolderOf(file) => format!("beside {}", file.shown()),
        FileUse::Model(model) => model.shown().to_owned(),
        FileUse::Program(program) => program.command().to_string(),
    })
}

fn of_inputs(
    node: &PlanNode,
    last: &Last,
    now: &Manifest,
    inputs: &[Option<&Table>],
    cache: &Cache,
    found: &mut Vec<Reason>,
) {
    let names: Vec<String> = (0..node.inputs.len())
        .map(|n| input_name(node, n))
        .collect();
    for name in last.manifest.inputs.keys().filter(|n| !names.contains(n)) {
        found.push(Reason::Input {
            input: label(name),
            change: Change::Gone,
        });
    }
    let none = Members::new();
    for (number, name) in names.iter().enumerate() {
        let Some(before) = last.manifest.inputs.get(name) else {
            found.push(Reason::Input {
                input: label(name),
                change: Change::New,
            });
            continue;
        };
        let Some(Some(table)) = inputs.get(number) else {
            continue;
        };
        let changed = changed_names(before, now.inputs.get(name).unwrap_or(&none));
        if changed.is_empty() {
            continue;
        }
        let changed = changed.into_iter().map(|(member, _)| member).collect();
        found.extend(of_input(node, number, name, last, table, changed, cache));
    }
}

/// One input whose columns `changed`.
fn of_input(
    node: &PlanNode,
    number: usize,
    name: &str,
    last: &Last,
    table: &Table,
    changed: Vec<String>,
    cache: &Cache,
) -> Vec<Reason> {
    let input = label(name);
    let need = &node.inputs[number].need;
    let seen = last.seen.get(name);
    if let Some(seen) = seen
        && seen.reference != need.text
    {
        return vec![Reason::Reference {
            input,
            from: seen.reference.clone(),
            to: need.text.clone(),
        }];
    }
    // A single column stands in the manifest under a name of its own.
    let column_of = |member: String| match need.reads.first() {
        Some(read) if need.is_column && member == "column" => read.column.clone(),
        _ => member,
    };
    let changed: Vec<String> = changed.into_iter().map(column_of).collect();
    let is_files = |c: &str| need.reads.iter().any(|r| r.files && r.column == c);
    let values: Vec<&str> = changed
        .iter()
        .map(String::as_str)
        .filter(|c| *c != KEY && *c != UNIQUE_IDX && !is_files(c))
        .collect();
    // What the cache of a file's content was is not kept by row, so only the column can be named.
    let of_columns = |columns: Vec<&String>| {
        let plain = need.is_column || table.column_index(KEY).is_none();
        let columns = columns.into_iter().filter(|_| !plain).cloned().collect();
        Reason::Column {
            input: input.clone(),
            columns,
        }
    };
    let Some(rows) = seen.and_then(|seen| compare(seen, table, &values, cache)) else {
        let but_places = |c: &&String| *c != KEY && *c != UNIQUE_IDX;
        return vec![of_columns(changed.iter().filter(but_places).collect())];
    };
    let same_rows = rows.added + rows.removed == 0;
    let files: Vec<&String> = changed.iter().filter(|c| is_files(c)).collect();
    let mut found = Vec::new();
    if !same_rows || rows.changed.is_some_and(|n| n > 0) {
        found.push(Reason::Rows {
            input: input.clone(),
            added: rows.added,
            changed: rows.changed,
            removed: rows.removed,
        });
    }
    if same_rows && !rows.reordered && !files.is_empty() {
        found.push(of_columns(files));
    } else if found.is_empty() && rows.reordered {
        found.push(Reason::Order { input });
    } else if found.is_empty() {
        // Too much to compare, or only their numbers changed.
        found.push(of_columns(changed.iter().collect()));
    }
    found
}

/// `features[1] clip.clip` is `features clip.clip` to a reader.
pub(super) fn label(name: &str) -> String {
    match name.split_once('[') {
        None => name.to_owned(),
        Some((key, rest)) => match rest.split_once("] ") {
            None => key.to_owned(),
            Some((_, reference)) => format!("{key} {reference}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn identity(kind: &str, version: u32, config: Json) -> Manifest {
        Manifest::new(kind, version, config)
    }

    fn words(old: &Manifest, new: &Manifest) -> Vec<String> {
        let mut found = Vec::new();
        of_identity(old, new, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn kinds_versions_and_settings() {
        let old = identity("a.b", 1, json!({"x": 1, "deep": {"y": [1], "z": null}}));
        let version = identity("a.b", 2, old.config.clone());
        assert_eq!(words(&old, &version), ["version of a.b 1 → 2"]);
        // The version of another kind says nothing.
        let kind = identity("a.c", 7, old.config.clone());
        assert_eq!(words(&old, &kind), ["kind a.b → a.c"]);
        let config = identity(
            "a.b",
            1,
            json!({"deep": {"y": [2], "z": null}, "new": true}),
        );
        assert_eq!(
            words(&old, &config),
            ["deep.y [1] → [2]", "new nothing → true", "x 1 → nothing"]
        );
        assert!(words(&old, &old).is_empty());
    }

    #[test]
    fn members_that_came_went_or_changed() {
        let of = |members: &[(&str, &str)]| -> Members {
            let digest = |(name, text): &(&str, &str)| {
                ((*name).to_owned(), Digest::of_bytes(text.as_bytes()))
            };
            members.iter().map(digest).collect()
        };
        let changed = changed_names(
            &of(&[("a", "1"), ("b", "1"), ("c", "1")]),
            &of(&[("b", "2"), ("c", "1"), ("d", "1")]),
        );
        let expected = [
            ("a", Change::Gone),
            ("b", Change::Changed),
            ("d", Change::New),
        ];
        assert_eq!(
            changed,
            expected.map(|(name, change)| (name.to_owned(), change))
        );
    }

    #[test]
    fn names_of_inputs_for_readers() {
        assert_eq!(label("input"), "input");
        assert_eq!(label("features[1]"), "features");
        assert_eq!(label("features[1] clip.clip"), "features clip.clip");
        assert_eq!(
            label("features[1] clip[m=a].clip"),
            "features clip[m=a].clip"
        );
    }
}
