//! The pipeline as it is written, with parameters put in.

use std::sync::Arc;

use super::document::{Document, first_line};
use super::matrix::{self, Axis, Matrix, Variant};
use super::outputs::read_outputs;
use super::params::{Override, Params, Raw};
use super::sweep::{Form, Sweep};
use super::value::{Data, Value};
use crate::diagnostics::{Place, Problem, Problems, Source, Spanned, nearest, suggest};

/// One pipeline file.
#[derive(Debug)]
pub struct Pipeline {
    pub source: Arc<Source>,
    pub name: Spanned<String>,
    pub params: serde_json::Value,
    pub nodes: Vec<NodeSpec>,
    pub outputs: Vec<OutputSpec>,
    /// The names that are swept.
    pub matrix: Matrix,
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
    /// What the swept names that it uses itself stand for; those of the nodes that it reads come to these.
    pub variant: Variant,
}

/// A file to write.
#[derive(Debug)]
pub struct OutputSpec {
    pub from: Spanned<String>,
    pub path: Value,
    pub format: Spanned<String>,
    /// The columns to write; all where nothing is said.
    pub columns: Option<Vec<Spanned<String>>>,
    /// What is to become of the images; as the format has it where nothing is said.
    pub images: Option<Spanned<String>>,
    /// Whether a dataset card is to stand beside it.
    pub card: Option<Spanned<bool>>,
    pub place: Place,
    /// What the swept names in it stand for.
    pub variant: Variant,
}

pub(super) const TOP_KEYS: [&str; 8] = [
    "version", "extends", "name", "params", "matrix", "nodes", "outputs", "tests",
];

pub(super) fn build(document: &Document, overrides: &[Override]) -> Result<Pipeline, Problems> {
    let (root, source) = (&document.root, &document.source);
    let mut problems = document.faults.clone();
    let name = read_name(root, source, &mut problems);
    let Data::Map(entries) = &root.data else {
        return Err(wrong_type("the file", "a mapping", root).into());
    };
    let declared = match root.get("params").map(|v| (&v.data, v)) {
        None | Some((Data::Null, _)) => &Vec::new(),
        Some((Data::Map(entries), _)) => entries,
        Some((_, v)) => {
            problems.push(wrong_type("params", "a mapping", v));
            return Err(problems.sorted());
        }
    };
    let mut of_params = Problems::default();
    let raw = Params::raw(declared, overrides, source, &mut of_params);
    let (axes, set) = read_matrix(root, &raw, overrides, &mut of_params);
    let mut sweep = Sweep::new(raw, axes, &set, &mut of_params);
    let uncertain = ["params", "matrix"].map(|key| misspelt(entries, &TOP_KEYS, key));
    if of_params.has_errors() || uncertain.contains(&true) {
        // Each use of a parameter would be a fault of its own.
        problems.extend(of_params);
        return Err(problems.sorted());
    }
    let params = sweep.to_json(declared.iter().map(|(k, _)| k.value.as_str()));
    let read = read_nodes(root, source, &mut sweep, &mut problems);
    let outputs = read_outputs(root, &mut sweep, &mut problems);
    // Of nodes that could not be found at all, nothing can be said about who refers to them.
    let Some((nodes, broken)) = read else {
        return Err(problems.sorted());
    };
    Ok(Pipeline {
        source: source.clone(),
        name,
        params: serde_json::Value::Object(params),
        nodes,
        outputs,
        matrix: sweep.matrix,
        faults: problems,
        broken,
    })
}

/// The parameters that are swept over the whole pipeline, and those that would be, had the caller not set them.
fn read_matrix(
    root: &Value,
    raw: &Raw,
    overrides: &[Override],
    problems: &mut Problems,
) -> (Vec<Axis>, Vec<Axis>) {
    let Some(matrix) = root.get("matrix") else {
        return (Vec::new(), Vec::new());
    };
    let axes = matrix::read_axes(matrix, None, problems).into_iter();
    let (set, axes): (Vec<Axis>, Vec<Axis>) =
        axes.partition(|axis| overrides.iter().any(|o| o.name == axis.name));
    if let Data::Map(entries) = &matrix.data {
        let names: Vec<&str> = raw.keys().map(String::as_str).collect();
        for (name, _) in entries.iter().filter(|(n, _)| !raw.contains_key(&n.value)) {
            problems.push(
                Problem::error(
                    "spec::matrix_param",
                    format!("there is no parameter `{}` to sweep", name.value),
                )
                .at(&name.place, "swept here")
                .help(match nearest(&name.value, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("declare it: `params: {{ {}: ... }}`", name.value),
                }),
            );
        }
    }
    let sizes = axes.iter().map(|a| a.choices.len());
    let count = sizes.fold(1, usize::saturating_mul);
    matrix::refuse_too_many(count, &matrix.place, problems);
    (axes, set)
}

/// The nodes, one for each variant that they use themselves, and the names of those that could not be read.
fn read_nodes(
    root: &Value,
    source: &Arc<Source>,
    sweep: &mut Sweep,
    problems: &mut Problems,
) -> Option<(Vec<NodeSpec>, Vec<String>)> {
    let (mut nodes, mut broken) = (Vec::new(), Vec::new());
    match root.get("nodes").map(|v| (&v.data, v)) {
        None if matches!(&root.data, Data::Map(keys) if misspelt(keys, &TOP_KEYS, "nodes")) => {}
        None => problems.push(
            Problem::error("spec::missing_key", "the key `nodes` is missing")
                .at(&first_line(source), "in this file")
                .help("add `nodes:` with at least one `NAME: { kind: ... }` under it"),
        ),
        Some((Data::Map(entries), _)) => {
            for (name, value) in entries {
                let mut found = Problems::default();
                let variants = read_variants(name, value, sweep, &mut found);
                if found.has_errors() {
                    broken.push(name.value.clone());
                } else {
                    nodes.extend(variants);
                }
                problems.extend(found);
            }
            return Some((nodes, broken));
        }
        Some((_, v)) => problems.push(wrong_type("nodes", "a mapping of NAME: { kind: ... }", v)),
    }
    None
}

/// A node for each combination of the names that are swept in it.
fn read_variants(
    name: &Spanned<String>,
    value: &Value,
    sweep: &mut Sweep,
    problems: &mut Problems,
) -> Vec<NodeSpec> {
    let own = value.get("matrix");
    if let Some(own) = own {
        let axes = matrix::read_axes(own, Some(&name.value), problems);
        sweep.add(axes, own, problems);
    }
    let value = value.without("matrix");
    let axes = sweep.axes_of(&value, Some(&name.value));
    if let Some(own) = own {
        sweep.refuse_unused(&name.value, &axes, own, problems);
    }
    let place = own.map_or(&name.place, |own| &own.place);
    matrix::refuse_too_many(sweep.matrix.count(axes.iter().copied()), place, problems);
    let mut nodes = Vec::new();
    if problems.has_errors() {
        return nodes;
    }
    for variant in sweep.matrix.combinations(&axes) {
        let params = sweep.params(&variant, Form::Value, problems);
        let value = params.substitute(&value, problems);
        nodes.extend(read_node(name, &value, variant, problems));
        // The others would have the same faults.
        if problems.has_errors() {
            break;
        }
    }
    nodes
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

pub(super) fn wrong_type(key: &str, wanted: &str, value: &Value) -> Problem {
    Problem::error(
        "spec::type",
        format!("`{key}` must be {wanted}, found {}", value.describe()),
    )
    .at(&value.place, "here")
}

pub(super) fn unknown_key(key: &Spanned<String>, known: &[&str], problems: &mut Problems) {
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
pub(super) fn misspelt(entries: &[(Spanned<String>, Value)], known: &[&str], meant: &str) -> bool {
    entries.iter().any(|(key, _)| {
        !known.contains(&key.value.as_str())
            && nearest(&key.value, known.iter().copied()) == Some(meant)
    })
}

fn read_node(
    name: &Spanned<String>,
    value: &Value,
    variant: Variant,
    problems: &mut Problems,
) -> Option<NodeSpec> {
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
    let Data::Map(_) = &value.data else {
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
    Some(NodeSpec {
        name: name.clone(),
        kind,
        config: value.without("kind"),
        variant,
    })
}
