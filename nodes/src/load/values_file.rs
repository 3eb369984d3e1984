//! What the kinds that read one value per row out of a file have in common: a column beside the rows of an input.

use trommel_engine::node::prelude::*;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows that the values belong to.
    pub input: TableRef,
    /// The file, in one of the forms told above.
    pub path: DataPath,
    /// The name of the column to give.
    pub column: String,
}

pub(super) fn contract(config: &Config, gives: ColumnType, contract: &mut Contract) {
    contract
        .table("input", &config.input)
        .reads(UNIQUE_IDX, &[ColumnType::U64]);
    contract.file("path", &config.path);
    contract
        .port("rows", RowsOf::Input("input"))
        .gives(&config.column, gives);
    let column = config.column.as_str();
    if column.is_empty() || column.contains('.') || [KEY, UNIQUE_IDX].contains(&column) {
        contract.refuse(
            "column",
            format!("`{column}` cannot be the name of this column"),
            "give another name, without a dot",
        );
    }
}
