//! `matrix`: names that take several values, and the combinations of them.

use std::collections::HashSet;

use super::params::{as_text, used_params};
use super::pipeline::wrong_type;
use super::value::{Data, Value};
use crate::diagnostics::{Place, Problem, Problems, Spanned};

/// Variants of one node, or of all names together, beyond which a matrix is a mistake.
pub const MOST_VARIANTS: usize = 10_000;

/// A longer label is cut.
const LONGEST_LABEL: usize = 40;

/// The axes of a pipeline.
#[derive(Debug, Default)]
pub struct Matrix {
    pub axes: Vec<Axis>,
}

/// A name with the values that it takes in turn.
#[derive(Debug)]
pub struct Axis {
    pub name: String,
    /// The only node that may use it; none for a parameter of the pipeline.
    pub node: Option<String>,
    pub choices: Vec<Choice>,
}

/// One of the values; the label stands for it in names of nodes and of files.
#[derive(Debug)]
pub struct Choice {
    pub label: String,
    pub value: Value,
}

/// One choice (by number) of each of some axes (by number, ascending). Empty where nothing is swept.
pub type Variant = Vec<(usize, usize)>;

impl Matrix {
    pub fn is_empty(&self) -> bool {
        self.axes.is_empty()
    }

    /// How many combinations the axes have; saturates.
    pub fn count(&self, axes: impl IntoIterator<Item = usize>) -> usize {
        let sizes = axes.into_iter().map(|axis| self.axes[axis].choices.len());
        sizes.fold(1, usize::saturating_mul)
    }

    /// All combinations of the axes (ascending), the last axis fastest. No axes have one: the empty one.
    pub fn combinations(&self, axes: &[usize]) -> Vec<Variant> {
        let mut all = vec![Variant::new()];
        for &axis in axes {
            let choices = 0..self.axes[axis].choices.len();
            all = all
                .into_iter()
                .flat_map(|variant| {
                    choices.clone().map(move |choice| {
                        let mut longer = variant.clone();
                        longer.push((axis, choice));
                        longer
                    })
                })
                .collect();
        }
        all
    }

    /// `selected[features=clip,gamma=0.5]`.
    pub fn name(&self, node: &str, variant: &Variant) -> String {
        if variant.is_empty() {
            return node.to_owned();
        }
        let pairs: Vec<String> = variant
            .iter()
            .map(|&(axis, choice)| {
                let axis = &self.axes[axis];
                format!("{}={}", axis.name, axis.choices[choice].label)
            })
            .collect();
        format!("{node}[{}]", pairs.join(","))
    }

    /// The names of axes, for messages.
    pub fn names(&self, axes: impl IntoIterator<Item = usize>) -> Vec<&str> {
        let axes = axes.into_iter();
        axes.map(|axis| self.axes[axis].name.as_str()).collect()
    }
}

impl Axis {
    /// What a value is called that has been set in place of the sweep; none where it has no name.
    pub(super) fn label_of(&self, value: &Value) -> Option<String> {
        let json = value.to_json();
        let mut choices = self.choices.iter();
        match choices.find(|c| c.value.to_json() == json) {
            Some(choice) => Some(choice.label.clone()),
            None => written_label(value).map(|text| tidy_label(&text)),
        }
    }

    /// The choice of that label; a number may be written in any way.
    pub fn find(&self, label: &str) -> Option<usize> {
        let same = |choice: &Choice| same_label(&choice.label, label);
        self.choices.iter().position(same)
    }
}

/// Whether two labels mean one value: 1, 1.0 and 1e0 are one.
pub fn same_label(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
    a == b || number(a).is_some_and(|n| number(b) == Some(n))
}

/// Reads a mapping of names to values. `node` is the node in which it stands, none for the whole pipeline.
pub(super) fn read_axes(matrix: &Value, node: Option<&str>, problems: &mut Problems) -> Vec<Axis> {
    let entries = match &matrix.data {
        Data::Null => return Vec::new(),
        Data::Map(entries) => entries,
        _ => {
            problems.push(wrong_type(
                "matrix",
                "a mapping of NAME: [VALUE, ...]",
                matrix,
            ));
            return Vec::new();
        }
    };
    let mut axes = Vec::new();
    for (name, values) in entries {
        let mut found = Problems::default();
        let choices = read_choices(name, values, &mut found);
        if !found.has_errors() {
            axes.push(Axis {
                name: name.value.clone(),
                node: node.map(ToOwned::to_owned),
                choices,
            });
        }
        problems.extend(found);
    }
    axes
}

fn read_choices(name: &Spanned<String>, values: &Value, problems: &mut Problems) -> Vec<Choice> {
    let labelled: Vec<(Option<&Spanned<String>>, &Value)> = match &values.data {
        Data::List(items) => items.iter().map(|v| (None, v)).collect(),
        Data::Map(entries) => entries.iter().map(|(k, v)| (Some(k), v)).collect(),
        _ => {
            problems.push(wrong_type(
                &name.value,
                "a list of values, or a mapping of LABEL: VALUE,",
                values,
            ));
            return Vec::new();
        }
    };
    if labelled.is_empty() {
        problems.push(
            Problem::error("spec::matrix", format!("`{}` has no values", name.value))
                .at(&values.place, "here")
                .help("write the values to take in turn: [VALUE, ...]"),
        );
    }
    let mut choices: Vec<Choice> = Vec::new();
    let mut labels = HashSet::new();
    for (label, value) in labelled {
        match read_choice(label, value) {
            Ok(choice) if labels.insert(choice.label.clone()) => choices.push(choice),
            Ok(choice) => problems.push(
                Problem::error(
                    "spec::matrix_label",
                    format!(
                        "`{}` has two values that are both called `{}`",
                        name.value, choice.label
                    ),
                )
                .at(&value.place, "the second one")
                .help("take one out, or give them labels: { LABEL: VALUE, ... }"),
            ),
            Err(problem) => problems.push(*problem),
        }
    }
    choices
}

fn read_choice(label: Option<&Spanned<String>>, value: &Value) -> Result<Choice, Box<Problem>> {
    if reads_environment(value) {
        return Err(Box::new(
            Problem::error("spec::matrix_secret", "a secret cannot be swept")
                .at(&value.place, "a value from the environment")
                .help("values of a matrix are shown in the names of nodes"),
        ));
    }
    let text = match label {
        Some(label) if !label.value.is_empty() && label.value.chars().all(fits) => {
            label.value.clone()
        }
        Some(label) => {
            return Err(Box::new(
                Problem::error(
                    "spec::matrix_label",
                    format!("`{}` cannot be a label", label.value),
                )
                .at(&label.place, "here")
                .help("a label is made of letters, digits, `.`, `_`, `-` and `+`"),
            ));
        }
        None if !used_params(value).is_empty() => {
            return Err(Box::new(
                Problem::error(
                    "spec::matrix_label",
                    "a value that uses parameters needs a label",
                )
                .at(&value.place, "this one")
                .help("write { LABEL: VALUE, ... } instead of the list"),
            ));
        }
        None => written_label(value).ok_or_else(|| {
            Box::new(
                Problem::error("spec::matrix_label", "this value needs a label")
                    .at(&value.place, "here")
                    .help("write { LABEL: VALUE, ... } instead of the list"),
            )
        })?,
    };
    Ok(Choice {
        label: tidy_label(&text),
        value: value.clone(),
    })
}

fn fits(c: char) -> bool {
    c.is_alphanumeric() || "._-+".contains(c)
}

/// Short, and of letters that mean nothing to references and paths.
fn tidy_label(text: &str) -> String {
    let shortened: String = if text.chars().count() > LONGEST_LABEL {
        text.chars().take(LONGEST_LABEL - 1).chain(['…']).collect()
    } else {
        text.to_owned()
    };
    let letters = shortened.chars();
    letters
        .map(|c| if fits(c) || c == '…' { c } else { '_' })
        .collect()
}

/// What a value is called that has no label of its own.
fn written_label(value: &Value) -> Option<String> {
    match &value.data {
        Data::Null => Some("null".into()),
        Data::Text(text) if text.is_empty() => None,
        Data::List(items) if !items.is_empty() => {
            let labels: Option<Vec<String>> = items.iter().map(written_label).collect();
            labels.map(|l| l.join("+"))
        }
        data => as_text(data),
    }
}

fn reads_environment(value: &Value) -> bool {
    match &value.data {
        Data::Text(text) => text.contains("${env:"),
        Data::Secret { .. } => true,
        Data::List(items) => items.iter().any(reads_environment),
        Data::Map(entries) => entries.iter().any(|(_, v)| reads_environment(v)),
        _ => false,
    }
}

/// Refuses what nobody could want to run.
pub(super) fn refuse_too_many(count: usize, place: &Place, problems: &mut Problems) {
    if count > MOST_VARIANTS {
        problems.push(
            Problem::error(
                "spec::matrix_size",
                format!("this matrix has more than {MOST_VARIANTS} variants"),
            )
            .at(place, "all combinations of these values")
            .help("take values out, or sweep in several pipelines"),
        );
    }
}
