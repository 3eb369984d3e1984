//! Resolves what nodes refer to and checks the types of every edge.

use std::collections::HashMap;

use super::nodes::{Draft, Drafts};
use super::order::node_of;
use crate::diagnostics::{Place, Problem, Problems, nearest};
use crate::node::{Contract, InputNeed, Read, RowsOf};
use crate::plan::{NodeId, PlanBuilder, PlanInput, PlanNode, PortColumns};
use crate::table::{ColumnType, KEY, UNIQUE_IDX};

/// What a name in a reference stands for.
pub(super) struct Names {
    pub nodes: HashMap<String, NodeId>,
    /// Nodes that are there but have faults of their own: no more is said of them.
    pub broken: Vec<String>,
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
        broken: drafts.broken,
    };
    let mut slots: Vec<Option<Draft>> = drafts.good.into_iter().map(Some).collect();
    for &position in order {
        let Some(draft) = slots[position].take() else {
            continue;
        };
        let name = draft.name.value.clone();
        match connect_node(draft, &names, builder, problems) {
            Some(node) => {
                let id = builder.add(node);
                names.nodes.insert(name, id);
            }
            None => names.broken.push(name),
        }
    }
    // Those in a cycle have been reported as such.
    names
        .broken
        .extend(slots.into_iter().flatten().map(|d| d.name.value));
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
    for need in &draft.contract.inputs {
        match resolve(need, names, builder) {
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
    let ok = complete && !found.has_errors();
    problems.extend(found);
    if !ok {
        return None;
    }
    let identity_config = identity_config(&draft.config.to_json(), &draft.contract);
    let ports = port_columns(
        &draft.contract,
        &inputs,
        builder,
        draft.name.place.range.start,
    );
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
    names: &Names,
    builder: &PlanBuilder,
) -> Result<Option<PlanInput>, Box<Problem>> {
    let (from, port, column) = match find(&need.text, &need.place, need.is_column, names, builder)?
    {
        Some(found) => found,
        None => return Ok(None),
    };
    Ok(Some(PlanInput {
        need: need.clone(),
        from,
        port,
        column,
    }))
}

type Found = Option<(NodeId, usize, Option<String>)>;

/// The node, port and column that a reference names.
pub(super) fn find(
    text: &str,
    place: &Place,
    is_column: bool,
    names: &Names,
    builder: &PlanBuilder,
) -> Result<Found, Box<Problem>> {
    let parts: Vec<&str> = text.split('.').collect();
    let node_name = node_of(text);
    let Some(&id) = names.nodes.get(node_name) else {
        if names.broken.iter().any(|b| b == node_name) {
            return Ok(None);
        }
        let all = names.nodes.keys().chain(&names.broken).map(String::as_str);
        let mut sorted: Vec<&str> = all.clone().collect();
        sorted.sort_unstable();
        let help = match nearest(node_name, sorted.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the nodes are {}", sorted.join(", ")),
        };
        return Err(Box::new(
            Problem::error(
                "compile::unknown_node",
                format!("there is no node `{node_name}`"),
            )
            .at(place, "refers to it")
            .help(help),
        ));
    };
    let ports = &builder.node(id).ports;
    match (is_column, &parts[1..]) {
        (false, []) => Ok(Some((id, 0, None))),
        (false, [port]) => match ports.iter().position(|p| p.name == *port) {
            Some(port) => Ok(Some((id, port, None))),
            None if ports[0].columns.iter().any(|(c, _)| c == port) => Err(Box::new(
                Problem::error(
                    "compile::not_a_table",
                    format!("`{text}` is a column, and a table is asked for"),
                )
                .at(place, "a column")
                .help(format!("write `{node_name}`")),
            )),
            None => Err(unknown_port(node_name, port, ports, place)),
        },
        (true, [column]) => Ok(Some((id, 0, Some((*column).to_owned())))),
        (true, [port, column]) => match ports.iter().position(|p| p.name == *port) {
            Some(port) => Ok(Some((id, port, Some((*column).to_owned())))),
            None => Err(unknown_port(node_name, port, ports, place)),
        },
        (true, []) => Err(Box::new(
            Problem::error(
                "compile::not_a_column",
                format!("`{text}` is a table, and a column is asked for"),
            )
            .at(place, "a table")
            .help(format!(
                "write `{node_name}.COLUMN`; {}",
                columns_in_words(&ports[0])
            )),
        )),
        _ => Err(Box::new(
            Problem::error("compile::reference", format!("`{text}` has too many parts"))
                .at(place, "here")
                .help("a table is NODE or NODE.PORT, a column NODE.COLUMN or NODE.PORT.COLUMN"),
        )),
    }
}

fn unknown_port(node: &str, port: &str, ports: &[PortColumns], place: &Place) -> Box<Problem> {
    let all: Vec<&str> = ports.iter().map(|p| p.name).collect();
    let help = match nearest(port, all.iter().copied()) {
        Some(near) => format!("did you mean `{node}.{near}`?"),
        None => format!("its ports are {}", all.join(", ")),
    };
    Box::new(
        Problem::error(
            "compile::unknown_port",
            format!("the node `{node}` has no port `{port}`"),
        )
        .at(place, "here")
        .help(help),
    )
}

fn columns_in_words(port: &PortColumns) -> String {
    let names: Vec<String> = port
        .columns
        .iter()
        .map(|(c, t)| format!("{c} ({t})"))
        .collect();
    if names.is_empty() {
        "it has no columns".into()
    } else {
        format!("it has {}", names.join(", "))
    }
}

fn check_reads(input: &PlanInput, builder: &PlanBuilder, problems: &mut Problems) {
    let node = builder.node(input.from);
    let port = &node.ports[input.port];
    for Read { column, types, .. } in &input.need.reads {
        let place = &input.need.place;
        match port.columns.iter().find(|(name, _)| name == column) {
            None if port.open => {}
            None => {
                let near = nearest(column, port.columns.iter().map(|(c, _)| c.as_str()));
                let help = near.map_or_else(
                    || columns_in_words(port),
                    |near| format!("did you mean `{near}`? {}", columns_in_words(port)),
                );
                problems.push(
                    Problem::error(
                        "compile::unknown_column",
                        format!("`{}` has no column `{column}`", node.name),
                    )
                    .at(place, format!("`{column}` is read from here"))
                    .help(help),
                );
            }
            Some((_, found)) if !types.iter().any(|t| t.accepts(*found)) => {
                let wanted: Vec<String> = types.iter().map(ToString::to_string).collect();
                problems.push(
                    Problem::error(
                        "compile::column_type",
                        format!(
                            "`{}.{column}` holds {found}, and `{}` needs {}",
                            node.name,
                            input.need.key,
                            wanted.join(" or ")
                        ),
                    )
                    .at(place, "this column")
                    .maybe_help(other_columns(port, types)),
                );
            }
            Some(_) => {}
        }
    }
}

fn other_columns(port: &PortColumns, types: &[ColumnType]) -> Option<String> {
    let fitting: Vec<&str> = port
        .columns
        .iter()
        .filter(|(name, found)| name != UNIQUE_IDX && types.iter().any(|t| t.accepts(*found)))
        .map(|(name, _)| name.as_str())
        .collect();
    (!fitting.is_empty()).then(|| format!("of its columns, {} would do", fitting.join(", ")))
}

/// Tables that are zipped must come from the same rows.
fn check_origins(inputs: &[PlanInput], builder: &PlanBuilder, problems: &mut Problems) {
    let origin = |input: &PlanInput| builder.node(input.from).ports[input.port].origin;
    let Some(first) = inputs.iter().find(|i| origin(i).is_some()) else {
        return;
    };
    for input in inputs {
        if origin(input).is_some() && origin(input) != origin(first) {
            problems.push(
                Problem::error(
                    "compile::rows_differ",
                    format!(
                        "`{}` and `{}` do not have the same rows",
                        first.need.text, input.need.text
                    ),
                )
                .at(&input.need.place, "these rows come from another table")
                .at(&first.need.place, "than these")
                .help("compute both from the same rows"),
            );
        }
    }
}

fn port_columns(
    contract: &Contract,
    inputs: &[PlanInput],
    builder: &PlanBuilder,
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
    if contract.row_wise {
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
