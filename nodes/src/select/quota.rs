//! Picks so many rows of each group: equal numbers, numbers in proportion to the groups' sizes, or to the square roots of those.
//!
//! Groups are the values of a column (text, or numbers such as those of clusters). `count` is shared out by the largest
//! remainder; a group that has less than its share gives all, and the others share the rest. Equal remainders go to the
//! group whose name comes first. Within a group the largest scores are picked (ties: the first row), or without `score`
//! random rows, those whose lots select.random would pick first. The picks stand in the order of score or lot over all
//! groups. Rows without a group, or without a score where one is asked for, are not picked from, and it is said how many.
//! Gives the rows of the input with `pick`, and with `score` where there is one.
//!
//! ```yaml
//! balanced: { kind: select.quota, input: instructions, group: source.source, count: 25000, allot: square_root, score: difficulty.difficulty }
//! ```

use std::collections::BTreeMap;

use trommel_engine::node::prelude::*;
use trommel_engine::table::strings;

use super::allot::Allot;
use super::picks;

/// Rows of each group.
pub struct Quota;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// The column that says which group a row is of.
    pub group: ColumnRef,
    /// How many rows to pick, all groups together.
    pub count: usize,
    /// How they are shared out.
    #[serde(default)]
    pub allot: Allot,
    /// Within a group, the larger, the sooner picked; random without.
    pub score: Option<ColumnRef>,
    /// Of the random choice.
    #[serde(default = "super::random::seed")]
    pub seed: u64,
}

impl Kind for Quota {
    const NAME: &'static str = "select.quota";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        picks::refuse_none(config.count, contract);
        contract.table("input", &config.input).passes();
        contract.column(
            "group",
            &config.group,
            &[ColumnType::Text, ColumnType::Number],
        );
        if let Some(score) = &config.score {
            contract.column("score", score, &[ColumnType::Number]);
        }
        let port = contract.port("rows", RowsOf::New).passes("input");
        port.gives("pick", ColumnType::U32);
        if config.score.is_some() {
            port.gives("score", ColumnType::F64);
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            count: config.count,
            allot: config.allot,
            scored: config.score.is_some(),
            seed: config.seed,
        }))
    }
}

struct Pick {
    count: usize,
    allot: Allot,
    scored: bool,
    seed: u64,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let (order, scores) = picks::ranked(inputs, self.scored, self.seed, context)?;
        let groups = numbered(&inputs.column("group")?)?;
        let grouped: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&row| groups[row].is_some())
            .collect();
        if grouped.len() < order.len() {
            context.warn(format!(
                "{} of {} rows have no group and are not picked from",
                order.len() - grouped.len(),
                input.rows()
            ));
        }
        picks::warn_short(self.count, grouped.len(), context);
        let positions = self
            .allot
            .pick(&grouped, |row| groups[row].unwrap_or(0), self.count);
        let columns = scores.map(|scores| {
            let of = positions.iter().map(|&row| scores[row]);
            ("score", of.collect())
        });
        picks::push(input, &positions, columns.as_slice(), outputs, context)
    }
}

/// The number of each row's group, in the order of their names.
fn numbered(column: &ColumnView<'_>) -> Result<Vec<Option<usize>>, NodeError> {
    let mut names: Vec<Option<String>> = Vec::with_capacity(column.table.rows());
    for array in column.arrays()? {
        names.extend(
            strings(&array)?
                .iter()
                .map(|name| name.map(ToOwned::to_owned)),
        );
    }
    let mut numbers: BTreeMap<&str, usize> = names
        .iter()
        .flatten()
        .map(|name| (name.as_str(), 0))
        .collect();
    for (number, place) in numbers.values_mut().enumerate() {
        *place = number;
    }
    let number = |name: &Option<String>| numbers.get(name.as_deref()?).copied();
    Ok(names.iter().map(number).collect())
}
