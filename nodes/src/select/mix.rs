//! Puts selections together: the rows that any of them picked, that all of them picked, or that only the first one picked.
//!
//! The selections are picked from `input`, in one step or in several; rows are told by their `key`. `union`: the picks of
//! the first selection in its order, then those of the second that are not there yet, and so on. `intersection` and
//! `difference`: the picks of the first that all others, or none of the others, have too, in the order of the first. Gives the
//! rows of the input with `pick`; what the selections know of their picks beside (scores, clusters) is not passed on.
//!
//! ```yaml
//! both: { kind: select.mix, input: instructions, selections: [hard, fitting], how: intersection }
//! ```

use std::collections::HashMap;

use trommel_engine::node::prelude::*;

use super::picks;

/// Selections put together.
pub struct Mix;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows that the selections picked from.
    pub input: TableRef,
    /// Two selections or more. The order counts.
    #[schemars(length(min = 2))]
    pub selections: Vec<TableRef>,
    /// Which picks are taken.
    pub how: How,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Those of any selection.
    Union,
    /// Those that all selections have.
    Intersection,
    /// Those of the first that no other has.
    Difference,
}

impl Kind for Mix {
    const NAME: &'static str = "select.mix";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.table("input", &config.input).passes();
        for (number, selection) in config.selections.iter().enumerate() {
            contract
                .table("selections", selection)
                .called(&number.to_string())
                .reads(KEY, &[ColumnType::Bytes]);
        }
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32);
        contract.unaligned();
        if config.selections.len() < 2 {
            contract.refuse(
                "selections",
                format!("there is nothing to mix: {} named", config.selections.len()),
                "name two selections or more",
            );
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick { how: config.how }))
    }
}

struct Pick {
    how: How,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let places = places("input", input)?;
        let tables = inputs.tables("selections").into_iter();
        let selections = tables
            .map(|(name, table)| positions(name, table, &places))
            .collect::<Result<Vec<_>, _>>()?;
        let positions = self.how.mix(&selections, input.rows());
        let counts: Vec<String> = selections.iter().map(|s| s.len().to_string()).collect();
        context.log(format!("{} rows of {}", positions.len(), counts.join(", ")));
        picks::push(input, &positions, &[], outputs, context)
    }
}

type Key = [u8; 16];

/// Where the rows of a selection stand in the input, in the order of the selection.
fn positions(
    name: &str,
    selection: &Table,
    input: &HashMap<Key, usize>,
) -> Result<Vec<usize>, NodeError> {
    let own = places(name, selection)?;
    let mut missing: Vec<usize> = Vec::new();
    let mut found = vec![0; own.len()];
    for (key, row) in own {
        match input.get(&key) {
            Some(place) => found[row] = *place,
            None => missing.push(row),
        }
    }
    match missing.iter().min() {
        None => Ok(found),
        Some(first) => Err(NodeError::new(format!(
            "{} of the {} rows of `{name}` are not in `input`; the first is row {first}",
            missing.len(),
            found.len()
        ))
        .help("`input` must be the rows that all selections picked from")),
    }
}

/// The row of each key, which must be there once.
fn places(name: &str, table: &Table) -> Result<HashMap<Key, usize>, NodeError> {
    let mut places = HashMap::with_capacity(table.rows());
    for array in table.arrays(KEY)? {
        for key in array.as_fixed_size_binary().iter().flatten() {
            let key = Key::try_from(key).map_err(|_| {
                NodeError::new(format!("`{name}` has a key that is not 16 bytes long"))
            })?;
            let row = places.len();
            if let Some(first) = places.insert(key, row) {
                return Err(NodeError::new(format!(
                    "the rows {first} and {row} of `{name}` have the same key, so they cannot be told apart"
                )));
            }
        }
    }
    Ok(places)
}

impl How {
    /// `selections` are positions among `rows` rows, each at most once in a selection.
    fn mix(self, selections: &[Vec<usize>], rows: usize) -> Vec<usize> {
        // How many of the selections looked at so far have the row.
        let mut having = vec![0_usize; rows];
        let Some((first, others)) = selections.split_first() else {
            return Vec::new();
        };
        if let Self::Union = self {
            let mut new = |row: &usize| {
                having[*row] += 1;
                having[*row] == 1
            };
            return selections
                .iter()
                .flatten()
                .copied()
                .filter(|row| new(row))
                .collect();
        }
        for &row in others.iter().flatten() {
            having[row] += 1;
        }
        let wanted = match self {
            Self::Difference => 0,
            _ => others.len(),
        };
        first
            .iter()
            .copied()
            .filter(|&row| having[row] == wanted)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_those_of_the_sets_in_order(
            selections in prop::collection::vec(prop::collection::vec(0_usize..30, 0..30), 2..5),
        ) {
            let selections: Vec<Vec<usize>> = selections
                .into_iter()
                .map(|rows| {
                    let mut once: Vec<usize> = Vec::new();
                    for row in rows {
                        if !once.contains(&row) {
                            once.push(row);
                        }
                    }
                    once
                })
                .collect();
            let mut union: Vec<usize> = Vec::new();
            for selection in &selections {
                for row in selection {
                    if !union.contains(row) {
                        union.push(*row);
                    }
                }
            }
            prop_assert_eq!(How::Union.mix(&selections, 30), union);
            let mut both = selections[0].clone();
            let mut only = selections[0].clone();
            for other in &selections[1..] {
                both.retain(|row| other.contains(row));
                only.retain(|row| !other.contains(row));
            }
            prop_assert_eq!(How::Intersection.mix(&selections, 30), both);
            prop_assert_eq!(How::Difference.mix(&selections, 30), only);
        }
    }
}
