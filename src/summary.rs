//! What a run ends with: of each selection, what was picked and from which kinds of records.

use std::collections::{BTreeMap, HashSet};

use arrow::array::Array;
use trommel_engine::cache::Cache;
use trommel_engine::plan::{NodeId, Plan};
use trommel_engine::run::{NodeStatus, inspect};
use trommel_engine::table::{Table, strings};

use crate::{show, terminal};

/// A column of more different values than this is no grouping.
const MOST_GROUPS: usize = 12;

/// Prints a table for each output of a select node. Nothing here can fail a run that has succeeded.
pub(crate) fn give(plan: &Plan, cache: &Cache) {
    let selections: Vec<NodeId> = plan
        .outputs
        .iter()
        .map(|o| o.from)
        .filter(|&id| plan.node(id).family() == "select")
        .collect();
    if selections.is_empty() {
        return;
    }
    let needed: HashSet<NodeId> = plan.ancestors(selections.iter().copied());
    let Ok(statuses) = inspect(plan, &needed, cache) else {
        return;
    };
    for id in selections {
        if let Some(text) = selection(plan, &statuses, id) {
            terminal::give(&text);
        }
    }
}

fn selection(plan: &Plan, statuses: &[NodeStatus], id: NodeId) -> Option<String> {
    let node = plan.node(id);
    let input = node.inputs.iter().find(|i| i.need.key == "input")?;
    let picked = table_of(statuses, id, 0)?;
    let all = table_of(statuses, input.from, input.port)?;
    let mut text = format!(
        "\n{}: {} of {} rows\n",
        node.name,
        picked.rows(),
        all.rows()
    );
    for field in all.fields() {
        let (Some(of_all), Some(of_picked)) =
            (groups(all, field.name()), groups(picked, field.name()))
        else {
            continue;
        };
        let rows: Vec<Vec<String>> = of_all
            .iter()
            .map(|(group, &count)| {
                let chosen = of_picked.get(group).copied().unwrap_or(0);
                let share = 100.0 * chosen as f64 / count.max(1) as f64;
                vec![
                    group.clone(),
                    count.to_string(),
                    chosen.to_string(),
                    format!("{share:.1} %"),
                ]
            })
            .collect();
        text += &show::grid(&[field.name(), "rows", "picked", "share"], &rows).ok()?;
        text += "\n";
    }
    Some(text.trim_end().to_owned())
}

fn table_of(statuses: &[NodeStatus], id: NodeId, port: usize) -> Option<&Table> {
    statuses
        .iter()
        .find(|s| s.id == id)?
        .tables
        .as_ref()?
        .ports
        .get(port)
}

/// How often each value of a text column occurs, if it has few of them.
fn groups(table: &Table, column: &str) -> Option<BTreeMap<String, usize>> {
    let field = table.field(column)?;
    if *field.data_type() != arrow::datatypes::DataType::Utf8 {
        return None;
    }
    let mut counts = BTreeMap::new();
    for array in table.arrays(column).ok()? {
        let values = strings(&array).ok()?;
        for row in 0..values.len() {
            let value = if values.is_valid(row) {
                values.value(row)
            } else {
                "(none)"
            };
            *counts.entry(value.to_owned()).or_default() += 1;
            if counts.len() > MOST_GROUPS {
                return None;
            }
        }
    }
    Some(counts)
}
