//! Resolves what nodes refer to: nodes, ports and columns by name.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use super::common::{check_common, common_columns};
use super::edges::{check_origins, check_reads, columns_in_words, fitting};
use super::nodes::{Draft, Drafts};
use crate::diagnostics::{Place, Problem, Problems, nearest, suggest};
use crate::node::{Contract, InputNeed, RowsOf, reference_parts, split_variant};
use crate::plan::{NodeId, PlanBuilder, PlanInput, PlanNode, PortColumns};
use crate::table::{ColumnType, KEY, UNIQUE_IDX};

/// What a name in a reference stands for.
pub(super) struct Names {
    pub nodes: HashMap<String, NodeId>,
    /// Nodes that are there but have faults of their own: no more is said of them.
    pub broken: HashSet<String>,
    /// Every node that stands in the file, to suggest from.
    all: Vec<String>,
    /// The node that asks: it cannot be what it means itself.
    asking: String,
    /// Suggestions yet to be made. Each looks at every name, so only the first faults get one.
    suggestions: Cell<usize>,
}

const MOST_SUGGESTIONS: usize = 100;

impl Names {
    /// What to write instead of the name of a node that there is not.
    fn suggestion(&self, name: &str) -> Option<String> {
        self.suggestions.set(self.suggestions.get().checked_sub(1)?);
        let asking = split_variant(&self.asking).0;
        let others = self.all.iter().filter(|&other| other != asking);
        let others: Vec<&str> = others.map(String::as_str).collect();
        Some(suggest(name, "node", &others))
    }
}

/// Adds the nodes to the plan in order. What is wrong is reported, and the node left out.
pub(super) fn connect(
    drafts: Drafts,
    order: &[usize],
    builder: &mut PlanBuilder,
    problems: &mut Problems,
) -> Names {
    let mut names = Names {
        nodes: HashMap::new(),
        all: all_names(&drafts),
        broken: drafts.broken.into_iter().collect(),
        asking: String::new(),
        suggestions: Cell::new(MOST_SUGGESTIONS),
    };
    let mut slots: Vec<Option<Draft>> = drafts.good.into_iter().map(Some).collect();
    for &position in order {
        let Some(draft) = slots[position].take() else {
            continue;
        };
        let name = draft.name.value.clone();
        names.asking.clone_from(&name);
        match connect_node(draft, &names, builder, problems) {
            Some(node) => {
                let id = builder.add(node);
                names.nodes.insert(name, id);
            }
            None => {
                names.broken.insert(name);
            }
        }
    }
    names.asking.clear();
    // Those in a cycle have been reported as such.
    names
        .broken
        .extend(slots.into_iter().flatten().map(|d| d.name.value));
    names
}

/// Every node once, whatever variants it has.
fn all_names(drafts: &Drafts) -> Vec<String> {
    let good = drafts.good.iter().map(|d| d.name.value.as_str());
    let mut names: Vec<String> = good
        .chain(drafts.broken.iter().map(String::as_str))
        .map(|name| split_variant(name).0.to_owned())
        .collect();
    names.dedup();
    names
}

fn connect_node(
    draft: Draft,
    names: &Names,
    builder: &PlanBuilder,
    problems: &mut Problems,
) -> Option<PlanNode> {
    let mut found = Problems::default();
    let mut complete = true;
    let mut inputs = Vec::new();
    for (number, need) in draft.contract.inputs.iter().enumerate() {
        match resolve(need, draft.target(number), names, builder) {
            Ok(Some(input)) => {
                check_reads(&input, builder, &mut found);
                inputs.push(input);
            }
            Ok(None) => complete = false,
            Err(problem) => found.push(*problem),
        }
    }
    if complete && !found.has_errors() && !draft.contract.unaligned {
        check_origins(&inputs, builder, &mut found);
    }
    if complete && !found.has_errors() {
        for key in draft.contract.ports.iter().filter_map(|port| port.common) {
            check_common(key, &inputs, builder, &mut found);
        }
    }
    let ok = complete && !found.has_errors();
    problems.extend(found);
    if !ok {
        return None;
    }
    let identity_config = identity_config(&draft.config.to_json(), &draft.contract);
    let mut ports = port_columns(&draft.contract, &inputs, builder, builder.count());
    if draft.given {
        for port in &mut ports {
            port.origin = None;
        }
    }
    Some(PlanNode {
        name: draft.name.value,
        place: draft.name.place,
        kind: draft.kind,
        config: draft.config,
        contract: draft.contract,
        inputs,
        on_error: draft.on_error,
        identity_config,
        ports,
    })
}

/// None: it refers to a node with faults of its own.
fn resolve(
    need: &InputNeed,
    target: &str,
    names: &Names,
    builder: &PlanBuilder,
) -> Result<Option<PlanInput>, Box<Problem>> {
    let types = need
        .reads
        .first()
        .filter(|_| need.is_column)
        .map(|r| r.types.as_slice());
    let Some((from, port, column)) = find(target, &need.text, &need.place, types, names, builder)?
    else {
        return Ok(None);
    };
    Ok(Some(PlanInput {
        need: need.clone(),
        from,
        port,
        column,
    }))
}

type Found = Option<(NodeId, usize, Option<String>)>;

/// The node, port and column that a reference means, where it begins with the node `node_name`; `column` has the types that one may have
/// where a column is asked for, and is none where a table is.
pub(super) fn find(
    node_name: &str,
    text: &str,
    place: &Place,
    column: Option<&[ColumnType]>,
    names: &Names,
    builder: &PlanBuilder,
) -> Result<Found, Box<Problem>> {
    let parts = reference_parts(text);
    let Some(&id) = names.nodes.get(node_name) else {
        if names.broken.contains(node_name) {
            return Ok(None);
        }
        let message = if node_name.is_empty() {
            format!("`{text}` does not begin with the name of a node")
        } else {
            format!("there is no node `{node_name}`")
        };
        return Err(Box::new(
            Problem::error("compile::unknown_node", message)
                .at(place, "no such node")
                .maybe_help(names.suggestion(node_name)),
        ));
    };
    let ports = &builder.node(id).ports;
    match (column, &parts[1..]) {
        (None, []) => Ok(Some((id, 0, None))),
        (None, [port]) => match ports.iter().position(|p| p.name == *port) {
            Some(port) => Ok(Some((id, port, None))),
            None if ports[0].columns.iter().any(|(c, _)| c == port) => Err(Box::new(
                Problem::error(
                    "compile::not_a_table",
                    format!("`{text}` is a column, and a table is asked for"),
                )
                .at(place, "a column")
                .help(format!("write `{node_name}`")),
            )),
            None => Err(Box::new(unknown_port(builder.node(id), port, place))),
        },
        (Some(_), [column]) => Ok(Some((id, 0, Some((*column).to_owned())))),
        (Some(_), [port, column]) => match ports.iter().position(|p| p.name == *port) {
            Some(port) => Ok(Some((id, port, Some((*column).to_owned())))),
            None => Err(Box::new(unknown_port(builder.node(id), port, place))),
        },
        (Some(types), []) => Err(Box::new(
            Problem::error(
                "compile::not_a_column",
                format!("`{text}` is a table, and a column is asked for"),
            )
            .at(place, "a table")
            .help(match fitting(&ports[0], types)[..] {
                [only] => format!("write `{node_name}.{only}`"),
                _ => format!(
                    "write `{node_name}.COLUMN`; {}",
                    columns_in_words(&ports[0])
                ),
            }),
        )),
        _ => Err(Box::new(
            Problem::error("compile::reference", format!("`{text}` has too many parts"))
                .at(place, "here")
                .help("a table is NODE or NODE.PORT, a column NODE.COLUMN or NODE.PORT.COLUMN"),
        )),
    }
}

fn unknown_port(node: &PlanNode, port: &str, place: &Place) -> Problem {
    let all: Vec<&str> = node.ports.iter().map(|p| p.name).collect();
    let (node, mut absent) = (&node.name, node.contract.absent_ports.iter());
    let absent = absent.find(|(name, _)| *name == port);
    let help = match (absent, nearest(port, all.iter().copied())) {
        (Some((_, setting)), _) => format!("it has one with `{setting}`"),
        (None, Some(near)) => format!("did you mean `{node}.{near}`?"),
        (None, None) => suggest(port, "port", &all),
    };
    Problem::error(
        "compile::unknown_port",
        format!("the node `{node}` has no port `{port}`"),
    )
    .at(place, "here")
    .help(help)
}

fn port_columns(
    contract: &Contract,
    inputs: &[PlanInput],
    builder: &PlanBuilder,
    // The number of the node, which is not in the builder yet.
    own: usize,
) -> Vec<PortColumns> {
    let of_input = |key: &str| {
        let input = inputs.iter().find(|i| i.need.key == key)?;
        Some(&builder.node(input.from).ports[input.port])
    };
    let mut ports: Vec<PortColumns> = contract
        .ports
        .iter()
        .enumerate()
        .map(|(number, port)| {
            let mut columns = Vec::new();
            let mut open = port.open;
            if port.rows != RowsOf::Plain {
                columns.push((KEY.to_owned(), ColumnType::Bytes));
                columns.push((UNIQUE_IDX.to_owned(), ColumnType::U64));
            }
            if let Some(from) = port.passes.and_then(of_input) {
                open |= from.open;
                columns.extend(
                    from.columns
                        .iter()
                        .filter(|(c, _)| c != KEY && c != UNIQUE_IDX)
                        .cloned(),
                );
            }
            if let Some(key) = port.common {
                let (shared, more) = common_columns(key, inputs, builder);
                open |= more;
                columns.extend(shared);
            }
            for column in &port.columns {
                columns.retain(|(name, _)| *name != column.0);
                columns.push(column.clone());
            }
            let origin = match port.rows {
                RowsOf::Plain => None,
                RowsOf::New => Some((own, number)),
                RowsOf::Input(key) => of_input(key).and_then(|p| p.origin),
            };
            PortColumns {
                name: port.name,
                columns,
                open,
                origin,
            }
        })
        .collect();
    if contract.fails_by_row {
        let columns = [
            (KEY, ColumnType::Bytes),
            (UNIQUE_IDX, ColumnType::U64),
            ("reason", ColumnType::Text),
        ];
        let columns = columns.map(|(name, ty)| (name.to_owned(), ty)).to_vec();
        ports.push(PortColumns {
            name: "errors",
            columns,
            open: false,
            origin: None,
        });
    }
    ports
}

fn identity_config(config: &serde_json::Value, contract: &Contract) -> serde_json::Value {
    let mut config = config.clone();
    if let Some(map) = config.as_object_mut() {
        let elsewhere = contract
            .inputs
            .iter()
            .map(|i| i.key)
            .chain(contract.files.iter().map(|f| f.key));
        for key in elsewhere.chain(contract.speed.iter().copied()) {
            map.shift_remove(key);
        }
    }
    config
}
