//! One record of a chat model's data, as a record of LLaVA's.

use std::borrow::Cow;

use serde_json::{Map, Value};
use trommel_engine::node::prelude::*;

use crate::load::llava::record::{Record, Turn};
use crate::load::llava::text::IMAGE;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `conversations` of `from` and `value`.
    ShareGpt,
    /// `messages` of `role` and `content`.
    Messages,
}

impl Form {
    /// The keys of the turns, of a turn's role, of its content.
    fn keys(self) -> [&'static str; 3] {
        match self {
            Self::ShareGpt => ["conversations", "from", "value"],
            Self::Messages => ["messages", "role", "content"],
        }
    }

    fn of(fields: &Map<String, Value>) -> Result<Self, String> {
        let has = |form: Self| fields.contains_key(form.keys()[0]);
        match (has(Self::ShareGpt), has(Self::Messages)) {
            (true, false) => Ok(Self::ShareGpt),
            (false, true) => Ok(Self::Messages),
            (true, true) => Err(
                "it has `conversations` and `messages`; say which with `format: sharegpt` or `format: messages`"
                    .to_owned(),
            ),
            (false, false) => Err("it has neither `conversations` nor `messages`".to_owned()),
        }
    }
}

/// What a record says.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub(super) form: Form,
    pub(super) record: Record<'a>,
    pub(super) system: Option<String>,
    /// It had several images, of which the first is kept.
    pub(super) several: bool,
}

/// A record's text, in the form that is known or else that its keys tell; errors say what makes it unusable.
pub(super) fn parse(raw: &str, form: Option<Form>) -> Result<Written<'_>, String> {
    let fields = match serde_json::from_str(raw) {
        Ok(Value::Object(fields)) => fields,
        Ok(other) => return Err(format!("it is {}, not an object", word(&other))),
        Err(e) => return Err(format!("it is not JSON: {e}, counted from its start")),
    };
    let form = form.map_or_else(|| Form::of(&fields), Ok)?;
    let id = match fields.get("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(Cow::Owned(text.clone())),
        Some(Value::Number(number)) => Some(Cow::Owned(number.to_string())),
        Some(other) => {
            let found = word(other);
            return Err(format!("`id` is {found}, not a string or a number"));
        }
    };
    let mut talk = Talk::default();
    if let Some(system) = fields.get("system").filter(|system| !system.is_null()) {
        talk.system = Some(text_of("system", system)?);
    }
    let [key, role, content] = form.keys();
    match fields.get(key) {
        Some(Value::Array(written)) => {
            for (number, turn) in written.iter().enumerate() {
                let result = talk.add(turn, role, content);
                result.map_err(|reason| format!("turn {}: {reason}", number + 1))?;
            }
        }
        Some(other) => return Err(format!("`{key}` is {}, not a list of turns", word(other))),
        None => return Err(format!("it has no `{key}`")),
    }
    if talk.turns.is_empty() {
        return Err(format!("`{key}` has no turn of a user or a model"));
    }
    let mut images = talk.images(named_images(&fields)?)?;
    let several = images.len() > 1;
    if several {
        images.truncate(1);
        keep_first_image(&mut talk.turns);
    }
    Ok(Written {
        form,
        record: Record {
            raw,
            id,
            image: images.pop().map(Cow::Owned),
            conversations: talk.turns,
        },
        system: talk.system,
        several,
    })
}

/// The turns of a record so far.
#[derive(Default)]
struct Talk {
    turns: Vec<Turn<'static>>,
    system: Option<String>,
    /// Named by parts of messages.
    images: Vec<String>,
    /// Parts that stand for an image of the record's `images`.
    unnamed: usize,
}

impl Talk {
    fn add(&mut self, turn: &Value, role: &str, content: &str) -> Result<(), String> {
        let Value::Object(turn) = turn else {
            return Err(format!("it is {}, not an object", word(turn)));
        };
        let from = match turn.get(role) {
            Some(Value::String(from)) => from.as_str(),
            Some(other) => return Err(format!("`{role}` is {}, not text", word(other))),
            None => return Err(format!("it has no `{role}`")),
        };
        let value = turn
            .get(content)
            .ok_or_else(|| format!("it has no `{content}`"))?;
        let from = match from {
            "human" | "user" => "human",
            "gpt" | "assistant" | "chatgpt" => "gpt",
            "system" | "developer" => return self.add_system(&text_of(content, value)?),
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(format!(
                    "`{role}` is {other:?}; known are human and gpt, user and assistant, and system"
                ));
            }
        };
        let expected = ["human", "gpt"][self.turns.len() % 2];
        if from != expected {
            return Err(format!(
                "it is from {from:?} where {expected:?} is expected: turns alternate and begin with \"human\""
            ));
        }
        let value = match value {
            // Only messages have parts.
            Value::Array(parts) if content == "content" => self.parts(parts)?,
            other => text_of(content, other)?,
        };
        self.turns.push(Turn {
            from: Cow::Borrowed(from),
            value: Cow::Owned(value),
        });
        Ok(())
    }

    fn add_system(&mut self, text: &str) -> Result<(), String> {
        if !self.turns.is_empty() {
            return Err("a system turn stands behind others; it is to be the first".to_owned());
        }
        if self.system.is_some() {
            return Err("the record has a second system text".to_owned());
        }
        self.system = Some(text.to_owned());
        Ok(())
    }

    /// The parts of a message, a line each.
    fn parts(&mut self, parts: &[Value]) -> Result<String, String> {
        let mut lines = Vec::with_capacity(parts.len());
        for part in parts {
            let Value::Object(part) = part else {
                return Err(format!("a part is {}, not an object", word(part)));
            };
            match part.get("type").and_then(Value::as_str) {
                Some("text") => {
                    let text = part.get("text").unwrap_or(&Value::Null);
                    lines.push(text_of("text", text)?);
                }
                Some("image" | "image_url") => {
                    match place_of(part)? {
                        Some(place) => self.images.push(path_of(place)?),
                        None => self.unnamed += 1,
                    }
                    lines.push(IMAGE.to_owned());
                }
                Some(other) => {
                    let other: String = other.chars().take(40).collect();
                    return Err(format!(
                        "a part is of type {other:?}; known are text, image and image_url"
                    ));
                }
                None => return Err("a part has no `type`".to_owned()),
            }
        }
        Ok(lines.join("\n"))
    }

    /// All images in the order of the turns; `named` are those of the record's own keys.
    fn images(&mut self, named: Vec<String>) -> Result<Vec<String>, String> {
        if self.unnamed > 0 && (self.unnamed != named.len() || !self.images.is_empty()) {
            return Err(format!(
                "{} parts stand for images that they do not name, and `images` names {}",
                self.unnamed,
                named.len()
            ));
        }
        if self.images.is_empty() {
            return Ok(named);
        }
        if !named.is_empty() {
            return Err("images are named by parts and by `image` or `images`".to_owned());
        }
        Ok(std::mem::take(&mut self.images))
    }
}

/// What `image` or `images` of the record name.
fn named_images(fields: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut named = Vec::new();
    for key in ["image", "images"] {
        let more = match fields.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(images)) => images
                .iter()
                .map(|image| path_of(&text_of(key, image)?))
                .collect::<Result<_, _>>()?,
            Some(image) => vec![path_of(&text_of(key, image)?)?],
        };
        if !named.is_empty() && !more.is_empty() {
            return Err("images are named by `image` and by `images`".to_owned());
        }
        named.extend(more);
    }
    Ok(named)
}

/// Where the image of a part is: under the name of its type, under `url` or `path`, or in an object there.
fn place_of(part: &Map<String, Value>) -> Result<Option<&str>, String> {
    for key in ["image_url", "image", "url", "path"] {
        match part.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(place)) => return Ok(Some(place)),
            Some(Value::Object(within)) => {
                return match within.get("url").or_else(|| within.get("path")) {
                    Some(Value::String(place)) => Ok(Some(place)),
                    _ => Err(format!("`{key}` of a part has no `url`")),
                };
            }
            Some(other) => {
                let found = word(other);
                return Err(format!("`{key}` of a part is {found}, not a place"));
            }
        }
    }
    Ok(None)
}

fn path_of(place: &str) -> Result<String, String> {
    let shown: String = place.chars().take(60).collect();
    if place.trim().is_empty() {
        return Err(
            "an image has an empty path; leave the key out of a record without an image".to_owned(),
        );
    }
    if place.starts_with("data:") {
        return Err(format!(
            "an image stands in the record itself ({shown}..); write it to a file and name that"
        ));
    }
    match place.strip_prefix("file://") {
        Some(path) => Ok(path.to_owned()),
        None if place.contains("://") => Err(format!(
            "the image {shown} is not fetched; download it and name the file"
        )),
        None => Ok(place.to_owned()),
    }
}

/// Takes all `<image>` but the first from what humans say, each with the line end behind it.
fn keep_first_image(turns: &mut [Turn<'_>]) {
    let mut met = false;
    for turn in turns.iter_mut().filter(|turn| turn.from == "human") {
        let mut pieces = turn.value.split(IMAGE);
        let mut kept = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            if met {
                kept.push_str(piece.strip_prefix('\n').unwrap_or(piece));
            } else {
                kept.push_str(IMAGE);
                kept.push_str(piece);
            }
            met = true;
        }
        turn.value = Cow::Owned(kept);
    }
}

fn text_of(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(format!("`{key}` is {}, not text", word(other))),
    }
}

fn word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
