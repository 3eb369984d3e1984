//! Nodes whose tables stand in the pipeline file: they take the place of real nodes in tests.

use std::collections::{HashMap, HashSet};

use arrow::array::RecordBatch;

use super::inline;
use super::nodes::{Draft, Drafts};
use crate::diagnostics::{Place, Problem, Problems, suggest};
use crate::node::{
    Context, Contract, Entry, ErasedConfig, ErasedKind, Inputs, NodeError, Outputs, RowsOf,
    TableNode, Work, first_part,
};
use crate::plan::{NodeId, OnError, Plan, PortColumns};
use crate::spec::{GivenSpec, Value};
use crate::table::{ColumnType, Digester, KEY, UNIQUE_IDX, array_digest};

/// What replaces nodes, by their full names.
pub(super) type Replacements = HashMap<String, Replacement>;

/// The ports of one node; those without rows are empty.
#[derive(Clone)]
pub(super) struct Replacement {
    ports: Vec<(PortColumns, Option<RecordBatch>)>,
    place: Place,
}

/// Makes the rows of a test ready. `plan` says which columns the real nodes have.
pub(super) fn replacements(
    given: &[GivenSpec],
    plan: &Plan,
    problems: &mut Problems,
) -> Replacements {
    let mut all = Replacements::new();
    let mut done: HashMap<(String, usize), Place> = HashMap::new();
    for spec in given {
        let Some((ids, port)) = find(plan, &spec.node.value, &spec.node.place, problems) else {
            continue;
        };
        for id in ids {
            let node = plan.node(id);
            let key = (node.name.clone(), port);
            if let Some(first) = done.insert(key, spec.node.place.clone()) {
                problems.push(
                    Problem::error(
                        "compile::given_twice",
                        format!("the rows of `{}` are given twice", node.name),
                    )
                    .at(&spec.node.place, "the second time")
                    .at(&first, "the first time"),
                );
                continue;
            }
            let batch = inline::batch(&node.name, &spec.rows, &node.ports[port], problems);
            let replacement = all.entry(node.name.clone()).or_insert_with(|| Replacement {
                ports: node.ports.iter().map(|p| (p.clone(), None)).collect(),
                place: spec.node.place.clone(),
            });
            replacement.ports[port].1 = batch.filter(|b| b.num_rows() > 0);
        }
    }
    all
}

/// The nodes and the port that a test names.
pub(super) fn find(
    plan: &Plan,
    text: &str,
    place: &Place,
    problems: &mut Problems,
) -> Option<(Vec<NodeId>, usize)> {
    let name = first_part(text);
    let ids = plan.matching(name);
    let Some(first) = ids.first() else {
        let names: Vec<&str> = plan.nodes().map(|(_, n)| n.name.as_str()).collect();
        problems.push(
            Problem::error(
                "compile::unknown_node",
                format!("there is no node `{name}`"),
            )
            .at(place, "no such node")
            .help(suggest(name, "node", &names)),
        );
        return None;
    };
    let node = plan.node(*first);
    let Some(port) = text.get(name.len() + 1..) else {
        return Some((ids, 0));
    };
    let Some(number) = node.port(port) else {
        let ports: Vec<&str> = node.ports.iter().map(|p| p.name).collect();
        problems.push(
            Problem::error(
                "compile::unknown_port",
                format!("the node `{name}` has no port `{port}`"),
            )
            .at(place, "here")
            .help(suggest(port, "port", &ports)),
        );
        return None;
    };
    Some((ids, number))
}

/// What of a pipeline a test needs.
pub(super) struct Cut {
    pub replacements: Replacements,
    /// The nodes that something is expected of.
    pub targets: Vec<String>,
}

/// Puts the rows of a test in the place of nodes, and leaves out the nodes that it does not come to.
pub(super) fn cut(mut drafts: Drafts, mut test: Cut) -> Drafts {
    for draft in &mut drafts.good {
        if let Some(replacement) = test.replacements.remove(&draft.name.value) {
            put(draft, replacement);
        }
    }
    let by_name: HashMap<&str, &Draft> = drafts
        .good
        .iter()
        .map(|draft| (draft.name.value.as_str(), draft))
        .collect();
    let mut needed = HashSet::new();
    let mut open = test.targets;
    while let Some(name) = open.pop() {
        if let Some(draft) = by_name.get(name.as_str()) {
            let inputs = 0..draft.contract.inputs.len();
            if needed.insert(name) {
                open.extend(inputs.map(|input| draft.target(input).to_owned()));
            }
        }
    }
    drafts
        .good
        .retain(|draft| needed.contains(&draft.name.value));
    drafts
}

fn put(draft: &mut Draft, replacement: Replacement) {
    let contract = replacement.contract();
    draft.name.place = replacement.place.clone();
    draft.kind = &GIVEN;
    draft.config = Box::new(replacement);
    draft.contract = contract;
    draft.on_error = OnError::Fail;
    draft.targets = None;
    draft.given = true;
}

impl Replacement {
    fn contract(&self) -> Contract {
        let mut contract = Contract::default();
        for (columns, batch) in &self.ports {
            let is_record = columns.columns.iter().any(|(name, _)| name == KEY);
            let rows = if is_record {
                RowsOf::New
            } else {
                RowsOf::Plain
            };
            let port = contract.port(columns.name, rows);
            let own = match batch {
                Some(batch) => batch
                    .schema()
                    .fields()
                    .iter()
                    .map(|f| (f.name().clone(), ColumnType::of(f.data_type())))
                    .collect(),
                None => columns.columns.clone(),
            };
            // The types that others rely on are those promised, where they are.
            for (name, found) in own {
                let promised = columns.columns.iter().find(|(column, _)| *column == name);
                let ty = promised.map_or(found, |(_, ty)| *ty);
                if ![KEY, UNIQUE_IDX].contains(&name.as_str()) {
                    port.gives(&name, ty);
                }
            }
        }
        contract
    }
}

/// The kind of such nodes. It stands in no registry: no `kind:` can name it.
static GIVEN: Entry = Entry {
    kind: &Given,
    source: "",
};

struct Given;

impl ErasedKind for Given {
    fn name(&self) -> &'static str {
        "test.given"
    }

    fn version(&self) -> u32 {
        1
    }

    fn schema(&self) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }

    fn decode(&self, _: &Value, owner: &Place) -> Result<Box<dyn ErasedConfig>, Problems> {
        let message = "rows of tests stand under `given`, not in a node";
        Err(Problem::error("compile::given", message)
            .at(owner, "here")
            .into())
    }
}

impl ErasedConfig for Replacement {
    fn contract(&self) -> Contract {
        Self::contract(self)
    }

    fn build(&self) -> Result<Work, NodeError> {
        Ok(Work::table(self.clone()))
    }

    /// What makes one such node another one: all that it gives.
    fn to_json(&self) -> serde_json::Value {
        let mut digester = Digester::new("trommel.given.1");
        for (columns, batch) in &self.ports {
            digester.push("port", columns.name.as_bytes());
            let Some(batch) = batch else { continue };
            for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                digester.push("column", field.name().as_bytes());
                digester.push("values", array_digest(array).as_bytes());
            }
        }
        serde_json::json!({ "rows": digester.finish() })
    }
}

impl TableNode for Replacement {
    fn table(
        &mut self,
        _: &Inputs,
        outputs: &mut dyn Outputs,
        _: &Context<'_>,
    ) -> Result<(), NodeError> {
        for (columns, batch) in &self.ports {
            if let Some(batch) = batch {
                outputs.push(columns.name, batch.clone())?;
            }
        }
        Ok(())
    }
}
