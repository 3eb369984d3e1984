//! Picks the rows for which an SQL expression is true, in the order of the input.
//!
//! The expression is that of polars' SQL over the columns of `input`: comparisons, `AND`, `OR`, `NOT`, `IS NULL`,
//! `IN (...)`, `BETWEEN`, `LIKE`, arithmetic, functions such as `LENGTH(text)` or `ABS(x)`; aggregates such as
//! `AVG(clip_score)` are over all rows. Text stands in single quotes, names of columns in double quotes where they are
//! no plain words. `with` names columns of other nodes that have the same rows, such as scores. Where the expression is
//! null the row is not picked. Gives the rows of the input with `pick`.
//!
//! ```yaml
//! fitting:
//!   kind: select.where
//!   input: instructions
//!   with: { fit: clip_score.clip_score }
//!   expression: "fit > 0.2 AND image IS NOT NULL"
//! ```

use trommel_engine::node::prelude::*;

use super::picks;
use crate::sql::{Expression, With, read_input, read_with};

/// Rows for which an expression is true.
pub struct Where;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// SQL that is true or false: `clip_score > 0.2 AND image IS NOT NULL`.
    pub expression: String,
    /// Columns of nodes with the same rows, by the names that the expression knows them by; such a name hides a
    /// column of the input.
    #[serde(default, skip_serializing_if = "With::is_empty")]
    pub with: With,
}

impl Kind for Where {
    const NAME: &'static str = "select.where";
    const VERSION: u32 = 2;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        let expressions = match Expression::parse(&config.expression) {
            Ok(expression) => vec![expression],
            Err(reason) => {
                contract.refuse(
                    "expression",
                    format!("`{}` cannot be used: {reason}", config.expression),
                    "an expression of SQL over the input's columns, such as clip_score > 0.2 AND image IS NOT NULL",
                );
                Vec::new()
            }
        };
        let need = contract.table("input", &config.input).passes();
        read_input(need, &expressions, &config.with);
        read_with(contract, &expressions, &config.with);
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        let expression = Expression::parse(&config.expression).map_err(|reason| {
            NodeError::new(format!("`{}` cannot be used: {reason}", config.expression))
        })?;
        Ok(Work::table(Pick { expression }))
    }
}

struct Pick {
    expression: Expression,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let positions = self.expression.rows(input, &inputs.columns("with"))?;
        context.log(format!("{} of {} rows", positions.len(), input.rows()));
        picks::push(input, &positions, &[], outputs, context)
    }
}
