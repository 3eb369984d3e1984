//! Parameters: `${name}`, `${env:NAME}` and `--set name=value`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::value::{Data, Value};
use super::yaml;
use crate::diagnostics::{Problem, Problems, Source, Spanned, nearest, suggest};

const MAX_DEPTH: usize = 64;
/// Parameters copy what they name; this bounds what a small file can blow up to (bytes and values).
const MAX_SIZE: usize = 1_000_000;

/// One `--set name=value`.
#[derive(Clone, Debug)]
pub struct Override {
    pub name: String,
    pub value: Value,
}

impl Override {
    /// Parses `name=value`; the value is YAML.
    pub fn parse(argument: &str) -> Result<Self, Problem> {
        let source = Source::new(format!("--set {argument}"), argument, ".");
        let whole = crate::diagnostics::Place::new(source.clone(), 0..argument.len());
        let Some((name, text)) = argument.split_once('=') else {
            return Err(
                Problem::error("spec::set", "--set takes NAME=VALUE").at(&whole, "no `=` here")
            );
        };
        if name.trim().is_empty() {
            return Err(Problem::error("spec::set", "--set takes NAME=VALUE")
                .at(&whole, "no name before the `=`"));
        }
        let inner = Source::new(format!("--set {argument}"), text, ".");
        let value = if text.trim().is_empty() {
            Value::new(Data::Text(String::new()), whole)
        } else {
            yaml::parse(&inner)?
        };
        Ok(Self {
            name: name.trim().to_owned(),
            value,
        })
    }
}

/// Parameters as they are written; they may use each other.
pub(super) type Raw = BTreeMap<String, Value>;

pub(super) struct Params {
    values: Raw,
}

impl Params {
    /// The file's parameters with the overrides put in; those may refer to the file's others. Paths in
    /// overrides are relative to `source`, as if they stood in that file.
    pub(super) fn raw(
        declared: &[(Spanned<String>, Value)],
        overrides: &[Override],
        source: &Arc<Source>,
        problems: &mut Problems,
    ) -> Raw {
        let mut values: Raw = declared
            .iter()
            .map(|(name, value)| (name.value.clone(), value.clone()))
            .collect();
        for o in overrides {
            if let Some(slot) = values.get_mut(&o.name) {
                *slot = o.value.clone().written_in(source);
                continue;
            }
            let names: Vec<&str> = values.keys().map(String::as_str).collect();
            problems.push(
                Problem::error(
                    "spec::unknown_param",
                    format!("--set {}: the pipeline has no such parameter", o.name),
                )
                .help(suggest(&o.name, "parameter", &names)),
            );
        }
        values
    }

    /// Puts into each parameter what it uses of the others.
    pub(super) fn new(raw: Raw, problems: &mut Problems) -> Self {
        let mut params = Self { values: raw };
        params.resolve_each_other(problems);
        params
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Parameters may use each other, in any order, but not in a circle.
    fn resolve_each_other(&mut self, problems: &mut Problems) {
        let names: Vec<String> = self.values.keys().cloned().collect();
        let mut done = HashSet::new();
        for name in &names {
            self.resolve(name, &mut Vec::new(), &mut done, problems);
        }
    }

    /// Puts into a parameter what it uses, after doing the same with those. `path` leads to it.
    fn resolve(
        &mut self,
        name: &str,
        path: &mut Vec<String>,
        done: &mut HashSet<String>,
        problems: &mut Problems,
    ) {
        let Some(value) = self.values.get(name).cloned() else {
            return;
        };
        if done.contains(name) {
            return;
        }
        if let Some(start) = path.iter().position(|p| p == name) {
            problems.push(self.circle(&path[start..]));
            return;
        }
        if path.len() > MAX_DEPTH {
            problems.push(
                Problem::error(
                    "spec::too_deep",
                    "parameters use each other in too long a chain",
                )
                .at(&value.place, "up to here"),
            );
            return;
        }
        path.push(name.to_owned());
        for used in used_params(&value) {
            self.resolve(&used, path, done, problems);
        }
        path.pop();
        // Only once, also for those who met themselves in a circle.
        if !done.insert(name.to_owned()) {
            return;
        }
        let resolved = self.substitute(&value, problems);
        if size(&resolved) > MAX_SIZE {
            problems.push(
                Problem::error(
                    "spec::too_large",
                    format!("the parameter `{name}` grows too large"),
                )
                .at(&value.place, "with what it uses put in"),
            );
        } else {
            self.values.insert(name.to_owned(), resolved);
        }
    }

    fn circle(&self, names: &[String]) -> Problem {
        let mut path: Vec<&str> = names.iter().map(String::as_str).collect();
        path.extend(path.first().copied());
        let mut problem = Problem::error(
            "spec::param_cycle",
            format!("the parameters make a circle: {}", path.join(" → ")),
        )
        .help("a parameter cannot be made from what is made from it");
        for (name, next) in path.iter().zip(path.iter().skip(1)) {
            if let Some(value) = self.values.get(*name) {
                problem = problem.at(&value.place, format!("`{name}` uses `{next}`"));
            }
        }
        problem
    }

    /// `value` with every `${...}` put in.
    pub(super) fn substitute(&self, value: &Value, problems: &mut Problems) -> Value {
        let data = match &value.data {
            Data::Text(text) if text.contains("${") => return self.text(text, value, problems),
            Data::List(items) => {
                Data::List(items.iter().map(|v| self.substitute(v, problems)).collect())
            }
            Data::Map(entries) => Data::Map(
                entries
                    .iter()
                    .map(|(k, v)| (k.clone(), self.substitute(v, problems)))
                    .collect(),
            ),
            other => other.clone(),
        };
        Value {
            data,
            ..value.clone()
        }
    }

    fn text(&self, text: &str, value: &Value, problems: &mut Problems) -> Value {
        let unchanged = value.clone();
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(what) => {
                problems.push(
                    Problem::error("spec::param_syntax", what)
                        .at(&value.place, "here")
                        .help("write ${NAME} or ${env:NAME}"),
                );
                return unchanged;
            }
        };
        // A scalar that is exactly one parameter takes it with its type.
        if let [Piece::Param(name)] = pieces[..] {
            let Some(found) = self.values.get(name) else {
                problems.push(self.unknown(name, value));
                return unchanged;
            };
            return Value {
                data: found.data.clone(),
                place: value.place.clone(),
                param: Some(Arc::from(name)),
                written: Some(found.source().clone()),
            };
        }
        let (mut plain, mut shown, mut secret) = (String::new(), String::new(), false);
        // A path starts from the folder of the file in which its beginning is written.
        let written = match pieces.first() {
            Some(Piece::Param(name)) => self.values.get(*name).map(|v| v.source().clone()),
            _ => value.written.clone(),
        };
        for piece in pieces {
            match piece {
                Piece::Text(t) => {
                    plain += t;
                    shown += t;
                }
                Piece::Param(name) => match self.values.get(name).map(|v| &v.data) {
                    None => {
                        problems.push(self.unknown(name, value));
                        return unchanged;
                    }
                    Some(Data::Secret { text, shown: s }) => {
                        secret = true;
                        plain += text;
                        shown += s;
                    }
                    Some(data) => {
                        let Some(t) = as_text(data) else {
                            problems.push(
                                Problem::error(
                                    "spec::param_type",
                                    format!("the parameter `{name}` is not a single value"),
                                )
                                .at(&value.place, "so it cannot stand inside of text"),
                            );
                            return unchanged;
                        };
                        plain += &t;
                        shown += &t;
                    }
                },
                Piece::Env(name) => {
                    let Ok(t) = std::env::var(name) else {
                        problems.push(
                            Problem::error(
                                "spec::env",
                                format!("the environment has no variable {name}"),
                            )
                            .at(&value.place, "asked for here")
                            .help(format!("set it for this program: {name}=... trommel ...")),
                        );
                        return unchanged;
                    };
                    secret = true;
                    plain += &t;
                    shown = format!("{shown}${{env:{name}}}");
                }
            }
        }
        let data = if secret {
            Data::Secret { text: plain, shown }
        } else {
            Data::Text(plain)
        };
        Value {
            data,
            written,
            ..value.clone()
        }
    }

    fn unknown(&self, name: &str, value: &Value) -> Problem {
        let near = nearest(name, self.values.keys().map(String::as_str));
        let names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        let help = match near {
            Some(near) => format!("did you mean `${{{near}}}`?"),
            None if names.is_empty() => "the file has no `params`".into(),
            None => suggest(name, "parameter", &names),
        };
        Problem::error(
            "spec::unknown_param",
            format!("there is no parameter `{name}`"),
        )
        .at(&value.place, "used here")
        .help(help)
    }
}

pub(super) fn as_text(data: &Data) -> Option<String> {
    match data {
        Data::Text(t) => Some(t.clone()),
        Data::Bool(b) => Some(b.to_string()),
        Data::Int(i) => Some(i.to_string()),
        Data::Unsigned(u) => Some(u.to_string()),
        Data::Float(f) => Some(f.to_string()),
        _ => None,
    }
}

enum Piece<'t> {
    Text(&'t str),
    Param(&'t str),
    Env(&'t str),
}

/// `$$` is not special; a lone `$` is text.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if start > 0 {
            pieces.push(Piece::Text(&rest[..start]));
        }
        let after = &rest[start + 2..];
        let end = after.find('}').ok_or("a `${` without its `}`")?;
        let name = &after[..end];
        let (name, env) = name
            .strip_prefix("env:")
            .map_or((name, false), |n| (n, true));
        let valid = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        if !valid {
            return Err(format!("`{name}` is not the name of a parameter"));
        }
        pieces.push(if env {
            Piece::Env(name)
        } else {
            Piece::Param(name)
        });
        rest = &after[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// The names of the parameters that a value uses.
pub(super) fn used_params(value: &Value) -> Vec<String> {
    match &value.data {
        Data::Text(text) => pieces(text)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|p| {
                if let Piece::Param(name) = p {
                    Some(name.to_owned())
                } else {
                    None
                }
            })
            .collect(),
        Data::List(items) => items.iter().flat_map(used_params).collect(),
        Data::Map(entries) => entries.iter().flat_map(|(_, v)| used_params(v)).collect(),
        _ => Vec::new(),
    }
}

fn size(value: &Value) -> usize {
    match &value.data {
        Data::Text(text) | Data::Secret { text, .. } => text.len(),
        Data::List(items) => items.iter().map(size).sum::<usize>() + 1,
        Data::Map(entries) => entries.iter().map(|(_, v)| size(v)).sum::<usize>() + 1,
        _ => 1,
    }
}
