//! `ShareGPT` records: `id`, `image`, `system` and `conversations` of `from` and `value`, as LLaVA's and most trainers read them.

use std::path::Path;

use serde_json::{Map, json};
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Companion, Content, Format, ImageNames, OutputContext};

use super::{beside, chat, images};

/// Made of the columns `conversations`, and where there are any `id`, `image` and `system`; a key that a row has no value
/// for is left out. One JSON array, or a record a line where the path ends in `.jsonl`.
pub(super) struct ShareGpt;

impl Format for ShareGpt {
    fn name(&self) -> &'static str {
        "sharegpt"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        chat::NEEDS
    }

    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError> {
        images::image_names(table)
    }

    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError> {
        chat::write(content, path, |chat| {
            let mut record = Map::new();
            for (key, value) in [
                ("id", chat.id),
                ("image", chat.image.as_deref()),
                ("system", chat.system),
            ] {
                if let Some(value) = value {
                    record.insert(key.into(), value.into());
                }
            }
            let turns = chat.turns.iter();
            let turns = turns.map(|(from, value)| json!({ "from": from, "value": value }));
            record.insert("conversations".into(), turns.collect());
            Ok(record.into())
        })
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}
