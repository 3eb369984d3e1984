//! YAML text to values with places. The events come from a marked parse; what a plain scalar
//! means (number, boolean, null, text) is asked of `serde_yaml`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::value::{Data, Value};
use crate::diagnostics::{Place, Problem, Source, Spanned};

const MAX_DEPTH: usize = 64;
/// Aliases copy what they name; this bounds what a small file can blow up to.
const MAX_COPIED: usize = 1_000_000;
/// Keys of a mapping from which on they are looked up by their digests instead of one after the other.
const MANY_KEYS: usize = 32;

/// Parses one YAML document.
pub fn parse(source: &Arc<Source>) -> Result<Value, Problem> {
    let mut builder = Builder::new(source);
    let mut parser = Parser::new_from_str(source.text());
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| builder.broken(&error))?;
        builder.take(event, span)?;
    }
    builder.finish()
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    bytes: ByteIndex,
    stack: Vec<Open>,
    anchors: HashMap<usize, Value>,
    copied: usize,
    documents: usize,
    root: Option<Value>,
}

/// A collection that is being read.
struct Open {
    start: usize,
    end: usize,
    anchor: usize,
    /// Written with brackets: it ends at its bracket, another one where its last item ends.
    flow: bool,
    items: Items,
}

enum Items {
    List(Vec<Value>),
    Map {
        entries: Entries,
        merged: Entries,
        key: Option<Spanned<String>>,
        /// Positions of many keys; empty while there are few.
        index: HashMap<String, usize>,
    },
}

type Entries = Vec<(Spanned<String>, Value)>;

impl<'a> Builder<'a> {
    fn new(source: &'a Arc<Source>) -> Self {
        Self {
            source,
            bytes: ByteIndex::new(source.text()),
            stack: Vec::new(),
            anchors: HashMap::new(),
            copied: 0,
            documents: 0,
            root: None,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let range = self.bytes.range(span, self.source.text());
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem::error(
                        "spec::several_documents",
                        "a pipeline file holds one YAML document",
                    )
                    .at(&self.place(range), "a second one starts here"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let data = scalar(&text, style, tag.as_deref());
                self.add(Value::new(data, self.place(range)), anchor)?;
            }
            Event::SequenceStart(anchor, _) => self.open(range, anchor, Items::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                self.open(
                    range,
                    anchor,
                    Items::Map {
                        entries: Vec::new(),
                        merged: Vec::new(),
                        key: None,
                        index: HashMap::new(),
                    },
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(range)?,
            Event::Alias(anchor) => {
                let place = self.place(range);
                let Some(value) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem::error(
                        "spec::alias_in_itself",
                        "an alias stands inside of what it names",
                    )
                    .at(&place, "here"));
                };
                self.copied += count(&value);
                if self.copied > MAX_COPIED {
                    return Err(Problem::error(
                        "spec::too_large",
                        format!("the aliases of the file stand for more than {MAX_COPIED} values"),
                    )
                    .at(&place, "up to here")
                    .help("an alias counts as often as it is used"));
                }
                self.add(Value { place, ..value }, 0)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, range: Range<usize>, anchor: usize, items: Items) -> Result<(), Problem> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Problem::error(
                "spec::too_deep",
                format!("the file is nested more than {MAX_DEPTH} levels deep"),
            )
            .at(&self.place(range), "here"));
        }
        // An anchor stands before the bracket and belongs to the same range.
        let flow = self.place(range.clone()).text().ends_with(['[', '{']);
        self.stack.push(Open {
            start: range.start,
            end: range.end,
            anchor,
            flow,
            items,
        });
        Ok(())
    }

    fn close(&mut self, range: Range<usize>) -> Result<(), Problem> {
        let Some(open) = self.stack.pop() else {
            return Ok(());
        };
        let end = if open.flow {
            range.end.max(open.end)
        } else {
            open.end
        };
        let data = match open.items {
            Items::List(items) => Data::List(items),
            Items::Map {
                mut entries,
                merged,
                ..
            } => {
                add_missing(&mut entries, merged);
                Data::Map(entries)
            }
        };
        let place = self.place(open.start..end.max(open.start));
        self.add(Value::new(data, place), open.anchor)
    }

    fn add(&mut self, value: Value, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        open.end = open.end.max(value.place.range.end);
        match &mut open.items {
            Items::List(items) => items.push(value),
            Items::Map {
                entries,
                merged,
                key,
                index,
            } => match key.take() {
                None => *key = Some(map_key(value)?),
                Some(name) if name.value == "<<" => merge(merged, value)?,
                Some(name) => {
                    if let Some(first) = find(entries, index, &name.value) {
                        return Err(Problem::error(
                            "spec::duplicate_key",
                            format!("`{}` stands here twice", name.value),
                        )
                        .at(&name.place, "the second time")
                        .at(&entries[first].0.place, "the first time"));
                    }
                    if entries.len() >= MANY_KEYS {
                        index.insert(name.value.clone(), entries.len());
                    }
                    entries.push((name, value));
                }
            },
        }
        Ok(())
    }

    fn finish(self) -> Result<Value, Problem> {
        let nothing = if self.source.text().trim().is_empty() {
            "is empty"
        } else {
            "holds nothing but comments"
        };
        self.root.filter(|v| !matches!(v.data, Data::Null)).ok_or_else(|| {
            Problem::error("spec::empty", format!("{} {nothing}", self.source.name()))
                .help("a pipeline file has `version: 1`, `name` and `nodes`; `trommel init DIR` writes one to start from")
        })
    }

    fn place(&self, range: Range<usize>) -> Place {
        Place::new(self.source.clone(), range)
    }

    fn broken(&self, error: &saphyr_parser::ScanError) -> Problem {
        let at = self
            .bytes
            .at(error.marker().index())
            .min(self.source.text().len());
        let tab = error.info().contains("tab");
        let problem = Problem::error("spec::yaml", format!("this is not YAML: {}", error.info()))
            .at(&self.place(at..at), "the parser got to here")
            .maybe_help(tab.then(|| "indent with spaces".to_owned()));
        match self.stack.last() {
            Some(open) if open.flow && error.info().contains("flow") => {
                problem.at(&self.place(open.start..open.start + 1), "inside of this")
            }
            _ => problem,
        }
    }
}

fn map_key(value: Value) -> Result<Spanned<String>, Problem> {
    let text = match &value.data {
        Data::Text(text) => text.clone(),
        Data::Bool(_) | Data::Int(_) | Data::Unsigned(_) | Data::Float(_) | Data::Null => {
            value.place.text().to_owned()
        }
        _ => {
            return Err(
                Problem::error("spec::key", "a key must be text").at(&value.place, "this is not")
            );
        }
    };
    Ok(Spanned::new(text, value.place))
}

/// The position of a key. The first keys are looked at one after the other, the others are in the index.
fn find(entries: &Entries, index: &HashMap<String, usize>, key: &str) -> Option<usize> {
    let first = &entries[..entries.len().min(MANY_KEYS)];
    let found = first.iter().position(|(k, _)| k.value == key);
    found.or_else(|| index.get(key).copied())
}

fn add_missing(entries: &mut Entries, more: Entries) {
    if more.is_empty() {
        return;
    }
    let mut there: HashSet<String> = entries.iter().map(|(key, _)| key.value.clone()).collect();
    for (key, value) in more {
        if there.insert(key.value.clone()) {
            entries.push((key, value));
        }
    }
}

/// `<<: *anchor`: entries for the keys that the mapping does not have itself.
fn merge(merged: &mut Entries, value: Value) -> Result<(), Problem> {
    match value.data {
        Data::Map(other) => {
            add_missing(merged, other);
            Ok(())
        }
        Data::List(items) => items.into_iter().try_for_each(|item| merge(merged, item)),
        _ => Err(
            Problem::error("spec::merge", "`<<` takes a mapping or a list of mappings")
                .at(&value.place, "this is neither"),
        ),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Data {
    let is_text = style != ScalarStyle::Plain
        || tag.is_some_and(|t| t.suffix == "str" && (t.is_yaml_core_schema() || t.handle == "!!"));
    if is_text {
        return Data::Text(text.to_owned());
    }
    if text.is_empty() {
        return Data::Null;
    }
    if is_word(text) {
        return Data::Text(text.to_owned());
    }
    match serde_yaml::from_str::<serde_yaml::Value>(text) {
        Ok(serde_yaml::Value::Null) => Data::Null,
        Ok(serde_yaml::Value::Bool(b)) => Data::Bool(b),
        Ok(serde_yaml::Value::Number(n)) => n
            .as_i64()
            .map(Data::Int)
            .or_else(|| n.as_u64().map(Data::Unsigned))
            .or_else(|| n.as_f64().map(Data::Float))
            .unwrap_or_else(|| Data::Text(text.to_owned())),
        _ => exponent_number(text).unwrap_or_else(|| Data::Text(text.to_owned())),
    }
}

/// Most scalars begin with a letter and are text unless they are one of the words for null, true and false: asking
/// `serde_yaml` would cost more than all the rest of reading.
fn is_word(text: &str) -> bool {
    const LONGEST: usize = "false".len();
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && (text.len() > LONGEST || !text.starts_with(['n', 'N', 't', 'T', 'f', 'F']))
}

/// `2e-5` is a float in YAML 1.2, whatever YAML 1.1 says of the missing point.
fn exponent_number(text: &str) -> Option<Data> {
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
    (digits && text.contains(['e', 'E']))
        .then(|| {
            text.parse()
                .ok()
                .filter(|f: &f64| f.is_finite())
                .map(Data::Float)
        })
        .flatten()
}

fn count(value: &Value) -> usize {
    match &value.data {
        Data::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Data::Map(entries) => 1 + entries.iter().map(|(_, v)| count(v)).sum::<usize>(),
        _ => 1,
    }
}

/// The parser counts characters; places count bytes.
struct ByteIndex(Option<Vec<usize>>);

impl ByteIndex {
    fn new(text: &str) -> Self {
        Self((!text.is_ascii()).then(|| {
            text.char_indices()
                .map(|(i, _)| i)
                .chain([text.len()])
                .collect()
        }))
    }

    fn at(&self, character: usize) -> usize {
        match &self.0 {
            None => character,
            Some(starts) => starts
                .get(character)
                .or(starts.last())
                .copied()
                .unwrap_or(0),
        }
    }

    fn range(&self, span: Span, text: &str) -> Range<usize> {
        let start = self.at(span.start.index()).min(text.len());
        let end = self.at(span.end.index()).clamp(start, text.len());
        let trimmed = text.get(start..end).map_or(0, |t| t.trim_end().len());
        start..start + trimmed
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
