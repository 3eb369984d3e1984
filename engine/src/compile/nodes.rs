//! Decodes the configuration of every node by its kind.

use crate::diagnostics::{Place, Problem, Problems, Spanned, nearest};
use crate::node::{Contract, Entry, ErasedConfig, Registry, first_part};
use crate::plan::OnError;
use crate::spec::{Data, NodeSpec, Pipeline, Value, Variant};

/// A node whose references are still words.
pub(super) struct Draft {
    pub name: Spanned<String>,
    pub kind: &'static Entry,
    pub config: Box<dyn ErasedConfig>,
    pub contract: Contract,
    pub on_error: OnError,
    /// What the swept names that it depends on stand for.
    pub variant: Variant,
    /// The nodes behind `contract.inputs`, where they are not those that the references name.
    pub targets: Option<Vec<String>>,
    /// Its rows stand in a test. Which rows of others they are, nobody knows before the run.
    pub given: bool,
}

impl Draft {
    /// The name of the node that an input comes from.
    pub(super) fn target(&self, input: usize) -> &str {
        match &self.targets {
            Some(targets) => &targets[input],
            None => first_part(&self.contract.inputs[input].text),
        }
    }
}

/// A node whose configuration is wrong still has a name that others may refer to.
pub(super) struct Drafts {
    pub good: Vec<Draft>,
    pub broken: Vec<String>,
}

pub(super) fn decode(pipeline: &Pipeline, registry: &Registry, problems: &mut Problems) -> Drafts {
    let mut drafts = Drafts {
        good: Vec::new(),
        broken: pipeline.broken.clone(),
    };
    for node in &pipeline.nodes {
        match decode_node(node, registry) {
            Ok(draft) => drafts.good.push(draft),
            Err(found) => {
                problems.extend(found);
                drafts.broken.push(node.name.value.clone());
            }
        }
    }
    drafts
}

pub(super) fn decode_node(node: &NodeSpec, registry: &Registry) -> Result<Draft, Problems> {
    let Some(kind) = registry.find(&node.kind.value) else {
        return Err(unknown_kind(&node.kind, registry).into());
    };
    let mut problems = Problems::default();
    let (config, on_error) = take_on_error(&node.config, &mut problems);
    let owner = &node.name.place;
    let decoded = match kind.kind.decode(&config, owner) {
        Ok(decoded) => decoded,
        Err(found) => {
            problems.extend(found);
            return Err(problems);
        }
    };
    let contract = decoded.contract();
    for refusal in &contract.refusals {
        let place: &Place = config.get(refusal.key).map_or(owner, |v| &v.place);
        problems.push(
            Problem::error("compile::refused", refusal.message.clone())
                .at(place, "here")
                .help(refusal.help.clone()),
        );
    }
    if let Some((place, _)) = &on_error
        && !contract.fails_by_row
    {
        problems.push(
            Problem::error(
                "compile::on_error",
                format!("{} does not work row by row", kind.kind.name()),
            )
            .at(place, "so it has no `on_error`")
            .help("remove the key"),
        );
    }
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(Draft {
        name: node.name.clone(),
        kind,
        config: decoded,
        contract,
        on_error: on_error.map(|(_, value)| value).unwrap_or_default(),
        variant: node.variant.clone(),
        targets: None,
        given: false,
    })
}

/// `on_error` belongs to every row-wise kind and so to none in particular.
fn take_on_error(config: &Value, problems: &mut Problems) -> (Value, Option<(Place, OnError)>) {
    let (Data::Map(entries), Some(value)) = (&config.data, config.get("on_error")) else {
        return (config.clone(), None);
    };
    let choice = match &value.data {
        Data::Text(text) if text == "fail" => OnError::Fail,
        Data::Text(text) if text == "quarantine" => OnError::Quarantine,
        other => {
            let message = format!(
                "`on_error` is fail or quarantine, found {}",
                value.describe()
            );
            let near = match other {
                Data::Text(text) => nearest(text, ["fail", "quarantine"]),
                _ => None,
            };
            problems.push(
                Problem::error("spec::variant", message)
                    .at(&value.place, "not a choice")
                    .maybe_help(near.map(|near| format!("did you mean `{near}`?"))),
            );
            OnError::Fail
        }
    };
    let rest = entries
        .iter()
        .filter(|(k, _)| k.value != "on_error")
        .cloned()
        .collect();
    let config_of_kind = Value {
        data: Data::Map(rest),
        ..config.clone()
    };
    (config_of_kind, Some((value.place.clone(), choice)))
}

fn unknown_kind(kind: &Spanned<String>, registry: &Registry) -> Problem {
    let mut families: Vec<&str> = registry
        .entries()
        .filter_map(|e| e.kind.name().split('.').next())
        .collect();
    families.dedup();
    let name = kind.value.as_str();
    let family = name.split('.').next().unwrap_or_default();
    let of_family: Vec<&str> = registry
        .entries()
        .map(|e| e.kind.name())
        .filter(|n| n.split('.').next() == Some(family))
        .collect();
    let help = match registry.nearest_kind(name) {
        Some(near) => format!("did you mean `{near}`?"),
        None if !of_family.is_empty() => {
            format!("the family `{family}` has {}", of_family.join(", "))
        }
        None => match nearest(family, families.iter().copied()) {
            Some(near) => format!("there is a family `{near}`; `trommel kinds` lists all"),
            None => format!(
                "the families are {}; `trommel kinds` lists all",
                families.join(", ")
            ),
        },
    };
    Problem::error(
        "compile::unknown_kind",
        format!("there is no kind `{name}`"),
    )
    .at(&kind.place, "unknown kind")
    .help(help)
}
