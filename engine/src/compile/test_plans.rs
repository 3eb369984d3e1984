//! The tests of a pipeline file, each compiled into a plan of its own.

use std::sync::Arc;

use super::edges::columns_in_words;
use super::given::Cut;
use super::{compile, compile_with, given};
use crate::diagnostics::{Place, Problem, Problems, nearest};
use crate::node::{Registry, first_part};
use crate::plan::{NodeId, Plan};
use crate::spec::{Data, Document, ExpectSpec, Override, TestSpec};

/// A test that is ready to run.
pub struct CompiledTest {
    pub name: String,
    pub plan: Arc<Plan>,
    pub expect: Vec<Expectation>,
}

/// What is expected of which table.
pub struct Expectation {
    pub node: NodeId,
    pub port: usize,
    pub spec: ExpectSpec,
}

impl CompiledTest {
    /// The nodes that something is expected of.
    pub fn targets(&self) -> Vec<NodeId> {
        let mut ids: Vec<NodeId> = self.expect.iter().map(|e| e.node).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Compiles all tests of a file. What a test sets goes over `overrides`.
pub fn compile_tests(
    document: &Document,
    overrides: &[Override],
    registry: &Registry,
) -> Result<Vec<CompiledTest>, Problems> {
    let mut problems = Problems::default();
    let mut tests = Vec::new();
    for spec in document.tests()? {
        match compile_test(spec, document, overrides, registry) {
            Ok(test) => tests.push(test),
            Err(found) => problems.extend(found),
        }
    }
    if problems.has_errors() {
        return Err(problems.sorted());
    }
    Ok(tests)
}

fn compile_test(
    spec: TestSpec,
    document: &Document,
    overrides: &[Override],
    registry: &Registry,
) -> Result<CompiledTest, Problems> {
    let set: Vec<Override> = overrides.iter().chain(&spec.set).cloned().collect();
    let pipeline = document.pipeline(&set)?;
    let (whole, _) = compile(&pipeline, registry)?;
    let mut problems = Problems::default();
    let replacements = given::replacements(&spec.given, &whole, &mut problems);
    let mut named = Vec::new();
    for spec in spec.expect {
        named.extend(expected(&whole, &spec, &mut problems).map(|name| (name, spec)));
    }
    if problems.has_errors() {
        return Err(problems);
    }
    let cut = Cut {
        replacements,
        targets: named.iter().map(|(name, _)| name.clone()).collect(),
    };
    let (plan, _) = compile_with(&pipeline, registry, Some(cut))?;
    let mut expect = Vec::new();
    for (name, spec) in named {
        let text = &spec.node.value;
        let port = text.get(first_part(text).len() + 1..);
        if let Some(node) = plan.find(&name) {
            let port = port
                .and_then(|port| plan.node(node).port(port))
                .unwrap_or(0);
            check_columns(&plan, node, port, &spec, &mut problems);
            expect.push(Expectation { node, port, spec });
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    Ok(CompiledTest {
        name: spec.name.value,
        plan: Arc::new(plan),
        expect,
    })
}

/// The one node that something is expected of.
fn expected(plan: &Plan, spec: &ExpectSpec, problems: &mut Problems) -> Option<String> {
    let (text, place) = (&spec.node.value, &spec.node.place);
    let (nodes, _) = given::find(plan, text, place, problems)?;
    let first = &plan.node(nodes[0]).name;
    if nodes.len() == 1 {
        return Some(first.clone());
    }
    problems.push(
        Problem::error(
            "compile::variants",
            format!("`{text}` comes in {} variants", nodes.len()),
        )
        .at(place, "which one?")
        .help(format!("name one: \"{first}\"")),
    );
    None
}

/// Columns that the table cannot have are slips of the test.
fn check_columns(
    plan: &Plan,
    node: NodeId,
    port: usize,
    spec: &ExpectSpec,
    problems: &mut Problems,
) {
    let node = plan.node(node);
    let port = &node.ports[port];
    let of_rows = spec.contains.iter().flat_map(|row| match &row.data {
        Data::Map(entries) => entries.as_slice(),
        _ => &[],
    });
    let named = spec.columns.iter().map(|(name, _)| name);
    for name in named.chain(of_rows.map(|(name, _)| name)) {
        if port.open || port.columns.iter().any(|(column, _)| *column == name.value) {
            continue;
        }
        let place: &Place = &name.place;
        problems.push(
            Problem::error(
                "compile::unknown_column",
                format!("`{}` has no column `{}`", node.name, name.value),
            )
            .at(place, "expected here")
            .help(
                match nearest(&name.value, port.columns.iter().map(|(c, _)| c.as_str())) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => columns_in_words(port),
                },
            ),
        );
    }
}
