//! The pipeline as it is written, with parameters put in.

use std::sync::Arc;

use super::params::{Override, Params};
use super::value::{Data, Value};
use super::yaml;
use crate::diagnostics::{Place, Problem, Problems, Source, Spanned, nearest, suggest};

/// One pipeline file.
#[derive(Debug)]
pub struct Pipeline {
    pub source: Arc<Source>,
    pub name: Spanned<String>,
    pub params: serde_json::Value,
    pub nodes: Vec<NodeSpec>,
    pub outputs: Vec<OutputSpec>,
    /// What is wrong with the parts that could not be read; a pipeline with errors does not compile.
    pub faults: Problems,
    /// Nodes that could not be read, whose names others may refer to.
    pub broken: Vec<String>,
}

/// A node: its name, its kind, and a configuration that only the kind can read.
#[derive(Debug)]
pub struct NodeSpec {
    pub name: Spanned<String>,
    pub kind: Spanned<String>,
    /// The mapping without `kind`.
    pub config: Value,
}

/// A file to write.
#[derive(Debug)]
pub struct OutputSpec {
    pub from: Spanned<String>,
    pub path: Value,
    pub format: Spanned<String>,
    pub place: Place,
}

const TOP_KEYS: [&str; 5] = ["version", "name", "params", "nodes", "outputs"];
const OUTPUT_KEYS: [&str; 3] = ["from", "path", "format"];

pub(super) fn parse_pipeline(
    source: &Arc<Source>,
    overrides: &[Override],
) -> Result<Pipeline, Problems> {
    let root = yaml::parse(source)?;
    let mut problems = Problems::default();
    let Data::Map(entries) = &root.data else {
        return Err(Problem::error(
            "spec::not_a_mapping",
            format!("{} is not a pipeline", source.name()),
        )
        .at(
            &root.place,
            format!("a mapping was expected, found {}", root.describe()),
        )
        .help("a pipeline file has `version: 1`, `name` and `nodes`")
        .into());
    };
    for (key, _) in entries {
        unknown_key(key, &TOP_KEYS, &mut problems);
    }
    let top = Place::new(
        source.clone(),
        0..source.text().lines().next().map_or(0, str::len),
    );
    check_version(&root, &top, &mut problems);
    if problems.iter().any(|p| p.code == "spec::version") {
        // The rest may mean something else in another version.
        return Err(problems.sorted());
    }
    let name = read_name(&root, source, &mut problems);

    let declared = match root.get("params").map(|v| (&v.data, v)) {
        None | Some((Data::Null, _)) => Vec::new(),
        Some((Data::Map(entries), _)) => entries.clone(),
        Some((_, v)) => {
            problems.push(wrong_type("params", "a mapping", v));
            Vec::new()
        }
    };
    let mut of_params = Problems::default();
    let params = Params::new(declared.clone(), overrides, &mut of_params);
    let uncertain = of_params.has_errors() || misspelt(entries, &TOP_KEYS, "params");
    problems.extend(of_params);
    if uncertain
        || root
            .get("params")
            .is_some_and(|v| !matches!(v.data, Data::Null | Data::Map(_)))
    {
        // Each use of a parameter would be a fault of its own.
        return Err(problems.sorted());
    }
    let resolved_params = declared
        .iter()
        .map(|(k, _)| {
            let use_of = Value::new(Data::Text(format!("${{{}}}", k.value)), k.place.clone());
            (
                k.value.clone(),
                params.substitute(&use_of, &mut problems).to_json(),
            )
        })
        .collect();

    let read = read_nodes(&root, &top, &params, &mut problems);
    let outputs = read_outputs(&root, &params, &mut problems);
    // Of nodes that could not be found at all, nothing can be said about who refers to them.
    let Some((nodes, broken)) = read else {
        return Err(problems.sorted());
    };
    Ok(Pipeline {
        source: source.clone(),
        name,
        params: serde_json::Value::Object(resolved_params),
        nodes,
        outputs,
        faults: problems,
        broken,
    })
}

/// The nodes, and the names of those that could not be read.
fn read_nodes(
    root: &Value,
    top: &Place,
    params: &Params,
    problems: &mut Problems,
) -> Option<(Vec<NodeSpec>, Vec<String>)> {
    let (mut nodes, mut broken) = (Vec::new(), Vec::new());
    match root.get("nodes").map(|v| (&v.data, v)) {
        None if matches!(&root.data, Data::Map(keys) if misspelt(keys, &TOP_KEYS, "nodes")) => {}
        None => problems.push(
            Problem::error("spec::missing_key", "the key `nodes` is missing")
                .at(top, "in this file")
                .help("add `nodes:` with at least one `NAME: { kind: ... }` under it"),
        ),
        Some((Data::Map(entries), _)) => {
            for (name, value) in entries {
                let mut found = Problems::default();
                let value = params.substitute(value, &mut found);
                let node = read_node(name, &value, &mut found);
                match node.filter(|_| !found.has_errors()) {
                    Some(node) => nodes.push(node),
                    None => broken.push(name.value.clone()),
                }
                problems.extend(found);
            }
            return Some((nodes, broken));
        }
        Some((_, v)) => problems.push(wrong_type("nodes", "a mapping of NAME: { kind: ... }", v)),
    }
    None
}

fn read_outputs(root: &Value, params: &Params, problems: &mut Problems) -> Vec<OutputSpec> {
    let mut outputs = Vec::new();
    match root.get("outputs").map(|v| (&v.data, v)) {
        None | Some((Data::Null, _)) => {}
        Some((Data::List(items), _)) => {
            for item in items {
                let mut found = Problems::default();
                let item = params.substitute(item, &mut found);
                if !found.has_errors() {
                    outputs.extend(read_output(&item, &mut found));
                }
                problems.extend(found);
            }
        }
        Some((_, v)) => problems.push(wrong_type("outputs", "a list of { from, path, format }", v)),
    }
    outputs
}

fn check_version(root: &Value, top: &Place, problems: &mut Problems) {
    match root.get("version") {
        None => problems.push(
            Problem::error("spec::missing_key", "the key `version` is missing")
                .at(top, "in this file")
                .help("add `version: 1` as the first line"),
        ),
        Some(Value {
            data: Data::Int(1), ..
        }) => {}
        Some(v) => problems.push(
            Problem::error(
                "spec::version",
                format!("this program reads version 1, found {}", v.describe()),
            )
            .at(&v.place, "not the number 1"),
        ),
    }
}

fn read_name(root: &Value, source: &Arc<Source>, problems: &mut Problems) -> Spanned<String> {
    let unnamed = Spanned::new("pipeline".to_owned(), Place::new(source.clone(), 0..0));
    match root.get("name") {
        None => unnamed,
        Some(Value {
            data: Data::Text(t),
            place,
            ..
        }) => Spanned::new(t.clone(), place.clone()),
        Some(v) => {
            problems.push(wrong_type("name", "text", v));
            unnamed
        }
    }
}

fn wrong_type(key: &str, wanted: &str, value: &Value) -> Problem {
    Problem::error(
        "spec::type",
        format!("`{key}` must be {wanted}, found {}", value.describe()),
    )
    .at(&value.place, "here")
}

fn unknown_key(key: &Spanned<String>, known: &[&str], problems: &mut Problems) {
    if known.contains(&key.value.as_str()) {
        return;
    }
    problems.push(
        Problem::error(
            "spec::unknown_key",
            format!("there is no key `{}` here", key.value),
        )
        .at(&key.place, "unknown key")
        .help(suggest(&key.value, "key", known)),
    );
}

/// An unknown key is likely to stand for `meant`, so that one is not missing as well.
fn misspelt(entries: &[(Spanned<String>, Value)], known: &[&str], meant: &str) -> bool {
    entries.iter().any(|(key, _)| {
        !known.contains(&key.value.as_str())
            && nearest(&key.value, known.iter().copied()) == Some(meant)
    })
}

fn read_node(name: &Spanned<String>, value: &Value, problems: &mut Problems) -> Option<NodeSpec> {
    let valid = !name.value.is_empty()
        && name
            .value
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if !valid {
        problems.push(
            Problem::error("spec::node_name", format!("`{}` cannot be the name of a node", name.value))
                .at(&name.place, "here")
                .help("a name is made of letters, digits, `_` and `-`; a dot separates a node from its ports and columns"),
        );
    }
    let Data::Map(entries) = &value.data else {
        problems.push(
            Problem::error(
                "spec::type",
                format!(
                    "the node `{}` must be a mapping, found {}",
                    name.value,
                    value.describe()
                ),
            )
            .at(&value.place, "here")
            .help("write { kind: ..., ... }"),
        );
        return None;
    };
    let kind = match value.get("kind") {
        Some(Value {
            data: Data::Text(kind),
            place,
            ..
        }) => Spanned::new(kind.clone(), place.clone()),
        Some(other) => {
            problems.push(wrong_type("kind", "text", other));
            return None;
        }
        None => {
            problems.push(
                Problem::error(
                    "spec::missing_key",
                    format!("the node `{}` has no `kind`", name.value),
                )
                .at(&name.place, "this node")
                .help("`trommel kinds` lists them"),
            );
            return None;
        }
    };
    let rest = entries
        .iter()
        .filter(|(k, _)| k.value != "kind")
        .cloned()
        .collect();
    let config = Value {
        data: Data::Map(rest),
        ..value.clone()
    };
    Some(NodeSpec {
        name: name.clone(),
        kind,
        config,
    })
}

fn read_output(value: &Value, problems: &mut Problems) -> Option<OutputSpec> {
    let Data::Map(entries) = &value.data else {
        problems.push(wrong_type(
            "outputs",
            "a list of { from, path, format }",
            value,
        ));
        return None;
    };
    for (key, _) in entries {
        unknown_key(key, &OUTPUT_KEYS, problems);
    }
    let mut text = |key: &str| match value.get(key) {
        Some(Value {
            data: Data::Text(t),
            place,
            ..
        }) => Some(Spanned::new(t.clone(), place.clone())),
        Some(other) => {
            problems.push(wrong_type(key, "text", other));
            None
        }
        None if misspelt(entries, &OUTPUT_KEYS, key) => None,
        None => {
            problems.push(
                Problem::error("spec::missing_key", format!("the output has no `{key}`"))
                    .at(&value.place, "this output")
                    .help("an output is { from: NODE, path: FILE, format: llava }"),
            );
            None
        }
    };
    let (from, format) = (text("from"), text("format"));
    let path = match value.get("path") {
        Some(
            v @ Value {
                data: Data::Text(_) | Data::Secret { .. },
                ..
            },
        ) => Some(v.clone()),
        _ => text("path").map(|_| value.clone()),
    };
    Some(OutputSpec {
        from: from?,
        path: path?,
        format: format?,
        place: value.place.clone(),
    })
}
