//! Rows that failed: quarantined where the pipeline says so, else the end of the node.

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;

use super::RunError;
use super::arrange::Quarantined;
use super::chunk_input::Part;
use crate::plan::{OnError, PlanNode};
use crate::table::{KEY, UNIQUE_IDX};

/// Rows named in an error; the others are counted.
const SHOWN: usize = 10;

/// `failed` holds positions in the chunk and reasons.
pub(super) fn failed(
    node: &PlanNode,
    failed: &[(usize, String)],
    rows_of: Part<'_>,
) -> Result<Vec<Quarantined>, RunError> {
    let array = |name: &str| {
        let column = rows_of
            .column(name)
            .ok_or_else(|| RunError::new(format!("the input has no column `{name}`")))?;
        Ok::<_, RunError>(column.array()?)
    };
    let (keys, numbers) = (array(KEY)?, array(UNIQUE_IDX)?);
    let (keys, numbers) = (
        keys.as_fixed_size_binary(),
        numbers.as_primitive::<UInt64Type>(),
    );
    if node.on_error == OnError::Quarantine {
        let quarantined = failed.iter().map(|(row, reason)| Quarantined {
            key: keys.value(*row).to_vec(),
            unique_idx: numbers.value(*row),
            reason: reason.clone(),
        });
        return Ok(quarantined.collect());
    }
    let shown: Vec<String> = failed
        .iter()
        .take(SHOWN)
        .map(|(row, reason)| format!("  unique_idx {}: {reason}", numbers.value(*row)))
        .collect();
    let more = failed.len().saturating_sub(shown.len());
    let more = if more > 0 {
        format!("\n  and {more} more")
    } else {
        String::new()
    };
    let mut error = RunError::new(format!(
        "{} of {} rows failed\n{}{more}",
        failed.len(),
        rows_of.chunk.rows,
        shown.join("\n")
    ));
    error.help = Some(
        "mend or remove them, or set `on_error: quarantine` to go on without them; the other rows are kept"
            .into(),
    );
    Err(error)
}
