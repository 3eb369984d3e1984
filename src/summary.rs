//! What a run ends with: of each selection, what was picked and from which kinds of records.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::Array;
use trommel_engine::plan::{NodeId, Plan};
use trommel_engine::run::NodeTables;
use trommel_engine::table::{Table, strings};

use crate::{show, terminal};

/// A column of more different values than this is no grouping.
pub(crate) const MOST_GROUPS: usize = 12;

/// Columns that say what a record is, not what sort it is of.
pub(crate) const CONTENT: [&str; 4] = ["id", "image", "raw", "text"];

/// Prints a table for each select node that has outputs.
pub(crate) fn give(plan: &Plan, tables: &HashMap<NodeId, NodeTables>) {
    let mut told = HashSet::new();
    for output in &plan.outputs {
        if plan.node(output.from).family() == "select"
            && told.insert(output.from)
            && let Some(text) = selection(plan, tables, output.from)
        {
            terminal::give(&text);
        }
    }
}

fn selection(plan: &Plan, tables: &HashMap<NodeId, NodeTables>, id: NodeId) -> Option<String> {
    let node = plan.node(id);
    let input = node.inputs.iter().find(|i| i.need.key == "input")?;
    let picked = tables.get(&id)?.ports.first()?;
    let all = tables.get(&input.from)?.ports.get(input.port)?;
    let mut text = format!(
        "\n{}: {} of {} rows\n",
        node.name,
        picked.rows(),
        all.rows()
    );
    for field in all
        .fields()
        .iter()
        .filter(|f| !CONTENT.contains(&f.name().as_str()))
    {
        let of = |table| groups(table, field.name(), MOST_GROUPS);
        let (Some(of_all), Some(of_picked)) = (of(all), of(picked)) else {
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
        text += &show::grid(&[field.name(), "rows", "picked", "share"], &rows);
        text += "\n";
    }
    Some(text.trim_end().to_owned())
}

/// How often each value of a text column occurs, if it has `most` of them at most.
pub(crate) fn groups(table: &Table, column: &str, most: usize) -> Option<BTreeMap<String, usize>> {
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
            if counts.len() > most {
                return None;
            }
        }
    }
    Some(counts)
}
