//! `with`: columns of other nodes that an expression may name beside those of `input`.

use std::collections::BTreeMap;

use trommel_engine::node::InputNeed;
use trommel_engine::node::prelude::*;

use super::Expression;

/// Columns by the names that expressions know them by.
pub(crate) type With = BTreeMap<String, ColumnRef>;

/// Of `input`, the columns that the expressions name are read; a name under `with` means the column there.
pub(crate) fn read_input(need: &mut InputNeed, expressions: &[Expression], with: &With) {
    let named = expressions.iter().flat_map(Expression::columns);
    for column in named.filter(|c| !with.contains_key(*c)) {
        if !need.reads.iter().any(|read| read.column == *column) {
            need.reads(column, &[ColumnType::Any]);
        }
    }
}

/// The columns under `with` are read under their names. One that no expression names would only cause reruns.
pub(crate) fn read_with(contract: &mut Contract, expressions: &[Expression], with: &With) {
    for (name, column) in with {
        contract
            .column("with", column, &[ColumnType::Any])
            .called(name);
        let mut named = expressions.iter().flat_map(Expression::columns);
        if !expressions.is_empty() && !named.any(|c| c == name) {
            contract.refuse(
                "with",
                format!("no expression names `{name}`"),
                "leave it out, or use it in an expression",
            );
        }
    }
}
