//! The column of conversations: who says what.

use arrow::array::{ListArray, StringArray};
use trommel_engine::node::prelude::*;
use trommel_engine::table::strings;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// `human` or `user`.
    Human,
    /// `gpt` or `assistant`.
    Model,
    /// All else, such as `system`.
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Turn<'a> {
    pub(super) speaker: Speaker,
    pub(super) value: &'a str,
}

/// A column of lists of `from` and `value`.
pub(super) struct Conversations {
    list: ListArray,
    from: StringArray,
    value: StringArray,
}

impl Conversations {
    pub(super) fn of(array: &ArrayRef, column: &str) -> Result<Self, NodeError> {
        let fault = || {
            let found = array.data_type();
            NodeError::new(format!(
                "`{column}` holds {found}, not lists of turns with `from` and `value`"
            ))
        };
        let list = array.as_list_opt::<i32>().ok_or_else(fault)?;
        let turns = list.values().as_struct_opt().ok_or_else(fault)?;
        let part = |name: &str| turns.column_by_name(name).ok_or_else(fault);
        Ok(Self {
            from: strings(part("from")?)?,
            value: strings(part("value")?)?,
            list: list.clone(),
        })
    }

    /// None where the row has no conversation.
    pub(super) fn turns(&self, row: usize) -> Option<Vec<Turn<'_>>> {
        if self.list.is_null(row) {
            return None;
        }
        let offsets = self.list.value_offsets();
        let turns = offsets[row] as usize..offsets[row + 1] as usize;
        let turn = |at| Turn {
            speaker: match self.from.is_valid(at).then(|| self.from.value(at)) {
                Some("human" | "user") => Speaker::Human,
                Some("gpt" | "assistant") => Speaker::Model,
                _ => Speaker::Other,
            },
            value: if self.value.is_valid(at) {
                self.value.value(at)
            } else {
                ""
            },
        };
        Some(turns.map(turn).collect())
    }
}
