//! Picks the rows for which an SQL expression is true, in the order of the input.
//!
//! The expression is that of polars' SQL over the columns of `input`: comparisons, `AND`, `OR`, `NOT`, `IS NULL`,
//! `IN (...)`, `BETWEEN`, `LIKE`, arithmetic, functions such as `LENGTH(text)` or `ABS(x)`; aggregates such as
//! `AVG(clip_score)` are over all rows. Text stands in single quotes, names of columns in double quotes where they are
//! no plain words. Where the expression is null the row is not picked. Gives the rows of the input with `pick`.
//!
//! ```yaml
//! fitting: { kind: select.where, input: scored, expression: "clip_score > 0.2 AND image IS NOT NULL" }
//! ```

use trommel_engine::node::prelude::*;

use self::expression::Expression;
use super::picks;

mod expression;

/// Rows for which an expression is true.
pub struct Where;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// SQL that is true or false: `clip_score > 0.2 AND image IS NOT NULL`.
    pub expression: String,
}

impl Kind for Where {
    const NAME: &'static str = "select.where";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        let need = contract.table("input", &config.input).passes();
        match Expression::parse(&config.expression) {
            Ok(expression) => {
                for column in expression.columns() {
                    need.reads(column, &[ColumnType::Any]);
                }
            }
            Err(reason) => contract.refuse(
                "expression",
                format!("`{}` cannot be used: {reason}", config.expression),
                "an expression of SQL over the input's columns, such as clip_score > 0.2 AND image IS NOT NULL",
            ),
        }
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
        let positions = self.expression.rows(input)?;
        context.log(format!("{} of {} rows", positions.len(), input.rows()));
        picks::push(input, &positions, &[], outputs, context)
    }
}
