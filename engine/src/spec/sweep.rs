//! Parameters for each combination of a matrix, made when they are first asked for.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::matrix::{Axis, Matrix, Variant};
use super::params::{Params, Raw, used_params};
use super::value::{Data, Value};
use crate::diagnostics::{Problem, Problems};

/// What `${name}` stands for in each variant.
pub(super) struct Sweep {
    pub(super) matrix: Matrix,
    raw: Raw,
    /// Labels of parameters that would be swept, had the caller not set them.
    set: Vec<(String, String)>,
    /// Swept names take their first value here.
    plain: Rc<Params>,
    made: HashMap<(Variant, Form), Rc<Params>>,
}

/// What is put in for a swept name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Value,
    /// For names of files.
    Label,
}

impl Sweep {
    /// `axes` are those of the whole pipeline; `set` are names that take one value after all.
    pub(super) fn new(raw: Raw, axes: Vec<Axis>, set: &[Axis], problems: &mut Problems) -> Self {
        let label = |axis: &Axis| Some((axis.name.clone(), axis.label_of(raw.get(&axis.name)?)?));
        let set = set.iter().filter_map(label).collect();
        let mut first = raw.clone();
        for axis in &axes {
            first.extend(
                axis.choices
                    .first()
                    .map(|c| (axis.name.clone(), c.value.clone())),
            );
        }
        Self {
            matrix: Matrix { axes },
            raw,
            set,
            plain: Rc::new(Params::new(first, problems)),
            made: HashMap::new(),
        }
    }

    /// Takes in the names that are swept in one node; `own` is where they stand. They must be new.
    pub(super) fn add(&mut self, axes: Vec<Axis>, own: &Value, problems: &mut Problems) {
        for axis in axes {
            let place = own.key(&axis.name).map_or(&own.place, |key| &key.place);
            let mut known = self.matrix.axes.iter();
            let taken = if self.raw.contains_key(&axis.name) {
                Some((
                    "a parameter".to_owned(),
                    "sweep it in the `matrix` of the pipeline, or give this one another name",
                ))
            } else {
                let other = known.find(|a| a.name == axis.name);
                other.and_then(|a| a.node.as_ref()).map(|node| {
                    (format!("swept in the node `{node}`"), "give one of them another name; what two nodes share is a parameter, swept in the `matrix` of the pipeline")
                })
            };
            match taken {
                Some((what, help)) => problems.push(
                    Problem::error(
                        "spec::matrix_name",
                        format!("`{}` is already {what}", axis.name),
                    )
                    .at(place, "here")
                    .help(help),
                ),
                None => self.matrix.axes.push(axis),
            }
        }
    }

    /// A node that sweeps a name makes use of it.
    pub(super) fn refuse_unused(
        &self,
        node: &str,
        used: &[usize],
        own: &Value,
        problems: &mut Problems,
    ) {
        let axes = self.matrix.axes.iter().enumerate();
        let of_node = axes.filter(|(_, a)| a.node.as_deref() == Some(node));
        for (_, axis) in of_node.filter(|(number, _)| !used.contains(number)) {
            let place = own.key(&axis.name).map_or(&own.place, |key| &key.place);
            problems.push(
                Problem::error(
                    "spec::matrix_unused",
                    format!(
                        "the node `{node}` sweeps `{}` and does not use it",
                        axis.name
                    ),
                )
                .at(place, "swept here")
                .help(format!(
                    "write ${{{}}} where its values are to stand",
                    axis.name
                )),
            );
        }
    }

    /// The axes that a value depends on; `node` is the node that it stands in.
    pub(super) fn axes_of(&self, value: &Value, node: Option<&str>) -> Vec<usize> {
        if self.matrix.is_empty() {
            return Vec::new();
        }
        let mut open = used_params(value);
        let mut seen = BTreeSet::new();
        let mut found = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let may_use = |axis: &Axis| match (&axis.node, node) {
                (Some(owner), Some(node)) => owner == node,
                // An output may use the names of all nodes.
                _ => true,
            };
            let axes = self.matrix.axes.iter();
            match axes.clone().position(|a| a.name == name && may_use(a)) {
                Some(axis) => {
                    found.insert(axis);
                    let choices = &self.matrix.axes[axis].choices;
                    open.extend(choices.iter().flat_map(|c| used_params(&c.value)));
                }
                None => open.extend(self.raw.get(&name).into_iter().flat_map(used_params)),
            }
        }
        found.into_iter().collect()
    }

    /// The parameters of a variant.
    pub(super) fn params(
        &mut self,
        variant: &Variant,
        form: Form,
        problems: &mut Problems,
    ) -> Rc<Params> {
        if variant.is_empty() && (form == Form::Value || self.set.is_empty()) {
            return self.plain.clone();
        }
        let key = (variant.clone(), form);
        if let Some(made) = self.made.get(&key) {
            return made.clone();
        }
        let mut raw = self.raw.clone();
        for (name, label) in self.set.iter().filter(|_| form == Form::Label) {
            if let Some(value) = raw.get_mut(name) {
                value.data = Data::Text(label.clone());
            }
        }
        for &(axis, choice) in variant {
            let axis = &self.matrix.axes[axis];
            let choice = &axis.choices[choice];
            let value = match form {
                Form::Value => choice.value.clone(),
                Form::Label => Value {
                    data: Data::Text(choice.label.clone()),
                    ..choice.value.clone()
                },
            };
            raw.insert(axis.name.clone(), value);
        }
        let params = Params::new(raw, problems);
        for &(axis, choice) in variant {
            let axis = &self.matrix.axes[axis];
            if params.get(&axis.name).is_some_and(holds_secret) {
                problems.push(
                    Problem::error("spec::matrix_secret", "a secret cannot be swept").at(
                        &axis.choices[choice].value.place,
                        "made from a value of the environment",
                    ),
                );
            }
        }
        let params = Rc::new(params);
        self.made.insert(key, params.clone());
        params
    }

    /// The parameters as JSON; of a swept one all values by their labels.
    pub(super) fn to_json<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> serde_json::Map<String, serde_json::Value> {
        let swept = |name: &str| {
            let axes = self.matrix.axes.iter();
            axes.clone().find(|a| a.name == name && a.node.is_none())
        };
        names
            .filter_map(|name| {
                let value = match swept(name) {
                    Some(axis) => axis
                        .choices
                        .iter()
                        .map(|c| (c.label.clone(), c.value.to_json()))
                        .collect::<serde_json::Map<_, _>>()
                        .into(),
                    None => self.plain.get(name)?.to_json(),
                };
                Some((name.to_owned(), value))
            })
            .collect()
    }
}

fn holds_secret(value: &Value) -> bool {
    match &value.data {
        Data::Secret { .. } => true,
        Data::List(items) => items.iter().any(holds_secret),
        Data::Map(entries) => entries.iter().any(|(_, v)| holds_secret(v)),
        _ => false,
    }
}
