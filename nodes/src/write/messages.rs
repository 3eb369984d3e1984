//! Records of `messages` with `role` and `content`, as chat models' servers and trainers read them.

use std::path::Path;

use serde_json::{Map, Value as Json, json};
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Companion, Content, Format, ImageNames, OutputContext};

use super::{beside, chat, images};

/// Made of the columns `conversations`, and where there are any `id`, `image` and `system`. Roles are `user` (human),
/// `assistant` (gpt) and `system`; `images` lists the image, whose place in a content is `<image>`, so that contents are text
/// in every record. One JSON array, or a record a line where the path ends in `.jsonl`.
pub(super) struct Messages;

impl Format for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        chat::NEEDS
    }

    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError> {
        images::image_names(table)
    }

    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError> {
        chat::write(content, path, |chat| {
            let system = chat.system.map(|system| Ok(message("system", system)));
            let turns = chat.turns.iter();
            let turns = turns.map(|(from, value)| Ok(message(role(from)?, value)));
            let messages: Vec<Json> = system
                .into_iter()
                .chain(turns)
                .collect::<Result<_, String>>()?;
            let mut record = Map::new();
            if let Some(id) = chat.id {
                record.insert("id".into(), id.into());
            }
            record.insert("messages".into(), messages.into());
            if chat.has_images {
                let images: Vec<&str> = chat.image.as_deref().into_iter().collect();
                record.insert("images".into(), images.into());
            }
            Ok(record.into())
        })
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}

fn message(role: &str, content: &str) -> Json {
    json!({ "role": role, "content": content })
}

fn role(from: &str) -> Result<&'static str, String> {
    match from {
        "human" | "user" => Ok("user"),
        "gpt" | "assistant" => Ok("assistant"),
        "system" => Ok("system"),
        other => Err(format!(
            "a turn is from {other:?}, and messages are from human, gpt or system"
        )),
    }
}
