//! Swept nodes: one draft for each combination of the names that a node depends on, by itself or through
//! what it reads. References come to mean the variant that fits.

use std::collections::{BTreeSet, HashMap};

use super::nodes::{Draft, Drafts, decode_node};
use crate::diagnostics::{Place, Problem, Problems, nearest, suggest};
use crate::node::{Registry, first_part, split_variant};
use crate::spec::{MOST_VARIANTS, Matrix, NodeSpec, OutputSpec, Pipeline, Variant};

/// A node of the file and its variants.
struct Group {
    members: HashMap<Variant, Draft>,
    /// What the node itself uses.
    own: Vec<usize>,
    /// And what it uses through others.
    axes: BTreeSet<usize>,
}

/// What references can mean.
struct Targets<'p> {
    matrix: &'p Matrix,
    /// The names that each node of the file depends on.
    axes: HashMap<String, BTreeSet<usize>>,
}

/// Puts the variants in the place of the nodes that have any. Gives the node that each output takes its
/// table from; none where that has been refused.
pub(super) fn expand(
    pipeline: &Pipeline,
    drafts: Drafts,
    registry: &Registry,
    problems: &mut Problems,
) -> (Drafts, Vec<Option<String>>) {
    let from = |spec: &OutputSpec| first_part(&spec.from.value).to_owned();
    if pipeline.matrix.is_empty() {
        let outputs = pipeline.outputs.iter().map(|o| Some(from(o))).collect();
        return (drafts, outputs);
    }
    let matrix = &pipeline.matrix;
    let mut broken = drafts.broken;
    let mut names = Vec::new();
    let mut groups: HashMap<String, Group> = HashMap::new();
    for draft in drafts.good {
        let name = draft.name.value.clone();
        if broken.contains(&name) {
            continue;
        }
        let group = groups.entry(name.clone()).or_insert_with(|| {
            names.push(name);
            let own: Vec<usize> = draft.variant.iter().map(|&(axis, _)| axis).collect();
            Group {
                members: HashMap::new(),
                axes: own.iter().copied().collect(),
                own,
            }
        });
        group.members.insert(draft.variant.clone(), draft);
    }
    spread(matrix, &names, &mut groups);
    let targets = Targets {
        matrix,
        axes: groups
            .iter()
            .map(|(name, group)| (name.clone(), group.axes.clone()))
            .collect(),
    };
    let specs: HashMap<(&str, &Variant), &NodeSpec> = pipeline
        .nodes
        .iter()
        .map(|spec| ((spec.name.value.as_str(), &spec.variant), spec))
        .collect();
    let mut good = Vec::new();
    for name in names {
        let Some(group) = groups.remove(&name) else {
            continue;
        };
        let mut found = Problems::default();
        let variants = variants(&name, group, &specs, registry, &targets, &mut found);
        if found.has_errors() {
            broken.push(name);
        } else {
            good.extend(variants);
        }
        problems.extend(found);
    }
    let outputs = pipeline.outputs.iter().map(|spec| {
        let found = targets.output(spec);
        found.map_err(|problem| problems.push(*problem)).ok()
    });
    let outputs = outputs.collect();
    (Drafts { good, broken }, outputs)
}

/// What a node depends on, all depend on that read it, unless they name the choice.
fn spread(matrix: &Matrix, names: &[String], groups: &mut HashMap<String, Group>) {
    let mut readers: HashMap<String, Vec<(String, BTreeSet<usize>)>> = HashMap::new();
    for name in names {
        for draft in groups[name].members.values() {
            for need in &draft.contract.inputs {
                let (node, choices) = split_variant(first_part(&need.text));
                let named = |number: &usize| {
                    let axis = &matrix.axes[*number];
                    choices.iter().any(|(name, _)| *name == axis.name)
                };
                let fixed = (0..matrix.axes.len()).filter(named).collect();
                let of_node = readers.entry(node.to_owned()).or_default();
                of_node.push((name.clone(), fixed));
            }
        }
    }
    let mut open: Vec<String> = names.to_vec();
    while let Some(name) = open.pop() {
        let Some(axes) = groups.get(&name).map(|g| g.axes.clone()) else {
            continue;
        };
        for (reader, fixed) in readers.get(&name).into_iter().flatten() {
            if let Some(group) = groups.get_mut(reader) {
                let before = group.axes.len();
                group.axes.extend(axes.difference(fixed));
                if group.axes.len() > before {
                    open.push(reader.clone());
                }
            }
        }
    }
}

/// The drafts of all variants of a node, in the order of their combinations.
fn variants(
    name: &str,
    mut group: Group,
    specs: &HashMap<(&str, &Variant), &NodeSpec>,
    registry: &Registry,
    targets: &Targets<'_>,
    problems: &mut Problems,
) -> Vec<Draft> {
    let axes: Vec<usize> = group.axes.iter().copied().collect();
    let count = targets.matrix.count(axes.iter().copied());
    if count > MOST_VARIANTS {
        let place = group.members.values().next().map(|d| &d.name.place);
        let mut problem = Problem::error(
            "compile::matrix_size",
            format!("the node `{name}` has more than {MOST_VARIANTS} variants"),
        )
        .help("it comes in all combinations of the names that it and what it reads depend on");
        if let Some(place) = place {
            let names = targets.matrix.names(axes).join(", ");
            problem = problem.at(place, format!("depends on {names}"));
        }
        problems.push(problem);
        return Vec::new();
    }
    let mut drafts = Vec::with_capacity(count);
    for variant in targets.matrix.combinations(&axes) {
        let own: Variant = variant
            .iter()
            .filter(|(axis, _)| group.own.contains(axis))
            .copied()
            .collect();
        // The first one takes what has been decoded, the others decode it again.
        let draft = match group.members.remove(&own) {
            Some(draft) => Ok(draft),
            None => match specs.get(&(name, &own)) {
                Some(spec) => decode_node(spec, registry),
                None => continue,
            },
        };
        let mut draft = match draft {
            Ok(draft) => draft,
            Err(found) => {
                problems.extend(found);
                break;
            }
        };
        let inputs = draft.contract.inputs.iter();
        let found: Result<Vec<String>, Box<Problem>> = inputs
            .map(|need| targets.node(&need.text, &need.place, &variant))
            .collect();
        match found {
            Ok(found) => draft.targets = Some(found),
            Err(problem) => {
                problems.push(*problem);
                break;
            }
        }
        draft.name.value = targets.matrix.name(name, &variant);
        draft.variant = variant;
        drafts.push(draft);
    }
    drafts
}

impl Targets<'_> {
    /// The name of the node that a reference means where `variant` is at work.
    fn node(&self, text: &str, place: &Place, variant: &Variant) -> Result<String, Box<Problem>> {
        let (node, fixed, free) = self.split(text, place)?;
        let mut all = fixed;
        all.extend(variant.iter().filter(|(axis, _)| free.contains(axis)));
        all.sort_unstable();
        Ok(self.matrix.name(node, &all))
    }

    /// The node, the choices that the reference names itself, and the axes that are left.
    fn split<'t>(
        &self,
        text: &'t str,
        place: &Place,
    ) -> Result<(&'t str, Variant, BTreeSet<usize>), Box<Problem>> {
        let whole = first_part(text);
        let (node, choices) = split_variant(whole);
        let Some(axes) = self.axes.get(node) else {
            // What is not there, or is broken, is somebody else's to report.
            return Ok((
                if choices.is_empty() { whole } else { node },
                Variant::new(),
                BTreeSet::new(),
            ));
        };
        let mut free = axes.clone();
        let mut fixed = Variant::new();
        for (name, label) in choices {
            let axis = axes.iter().find(|&&a| self.matrix.axes[a].name == name);
            let Some(&axis) = axis else {
                let names = self.matrix.names(axes.iter().copied());
                return Err(Box::new(
                    Problem::error(
                        "compile::variant",
                        format!("`{node}` does not depend on `{name}`"),
                    )
                    .at(place, "here")
                    .help(match names[..] {
                        [] => format!("nothing that it depends on is swept: write `{node}`"),
                        _ => suggest(name, "name", &names),
                    }),
                ));
            };
            let Some(choice) = self.matrix.axes[axis].find(label) else {
                return Err(Box::new(self.unknown_label(axis, label, place)));
            };
            if free.remove(&axis) {
                fixed.push((axis, choice));
            }
        }
        Ok((node, fixed, free))
    }

    fn unknown_label(&self, axis: usize, label: &str, place: &Place) -> Problem {
        let axis = &self.matrix.axes[axis];
        let labels: Vec<&str> = axis.choices.iter().map(|c| c.label.as_str()).collect();
        let help = match nearest(label, labels.iter().copied()) {
            Some(near) if labels.len() > 12 => format!("did you mean `{near}`?"),
            _ => format!("its values are {}", labels.join(", ")),
        };
        Problem::error(
            "compile::variant",
            format!("`{}` does not take the value `{label}`", axis.name),
        )
        .at(place, "here")
        .help(help)
    }

    /// The node that an output takes its table from. An output of a swept node has all its names in its path.
    fn output(&self, spec: &OutputSpec) -> Result<String, Box<Problem>> {
        let (node, _, mut free) = self.split(&spec.from.value, &spec.from.place)?;
        let count = self.matrix.count(free.iter().copied());
        free.retain(|axis| !spec.variant.iter().any(|(known, _)| known == axis));
        if free.is_empty() {
            return self.node(&spec.from.value, &spec.from.place, &spec.variant);
        }
        let names = self.matrix.names(free);
        let parts: Vec<String> = names.iter().map(|name| format!("${{{name}}}")).collect();
        Err(Box::new(
            Problem::error(
                "compile::output_variants",
                format!(
                    "`{node}` comes in {count} variants, which would all go to one file: they differ in {}",
                    names.join(", ")
                ),
            )
            .at(&spec.path.place, "one file")
            .at(&spec.from.place, "a swept node")
            .help(format!(
                "put {} into the path, or name one variant: \"{}\"",
                parts.join(" and "),
                self.example(node)
            )),
        ))
    }

    /// The name of a node's first variant.
    fn example(&self, node: &str) -> String {
        let axes = self.axes.get(node).into_iter().flatten();
        let first: Variant = axes.map(|&axis| (axis, 0)).collect();
        self.matrix.name(node, &first)
    }
}
