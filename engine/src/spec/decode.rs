//! Values with places into the configuration structs of node kinds, by serde.
//!
//! Every fault points at the value or the key that it is about, and all faults of one mapping
//! are found in one go: a key that does not fit is set aside and the rest is tried again.

use std::cell::RefCell;
use std::fmt::{self, Display};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor,
};

use super::value::{Data, Value};
use crate::diagnostics::{Place, Problem, Problems, Spanned, nearest};

/// Newtypes that ask for their place are deserialised under these names.
pub(crate) const REFERENCE_MARK: &str = "$trommel::Reference";
pub(crate) const PATH_MARK: &str = "$trommel::Path";
pub(crate) const SECRET_MARK: &str = "$trommel::Secret";

thread_local! {
    /// The value that a marked newtype is being made from.
    static MARKED: RefCell<Option<Value>> = const { RefCell::new(None) };
}

/// The value behind the marked newtype that is being deserialised, if it comes from a pipeline file.
pub(crate) fn take_marked() -> Option<Value> {
    MARKED.with(|m| m.borrow_mut().take())
}

/// Decodes a mapping into `T`. `owner` is where a missing key is reported.
pub fn decode<T: DeserializeOwned>(value: &Value, owner: &Place) -> Result<T, Problems> {
    let mut problems = Problems::default();
    let mut rest = value.clone();
    let mut set_aside: Vec<String> = Vec::new();
    loop {
        let result = T::deserialize(ValueDecoder { value: &rest });
        let fault = match result {
            Ok(decoded) if problems.is_empty() => return Ok(decoded),
            Ok(_) => return Err(problems),
            Err(fault) => fault,
        };
        let about_missing = fault
            .missing
            .as_ref()
            .is_some_and(|m| set_aside.contains(m));
        if about_missing {
            return Err(problems);
        }
        let key = fault.root_key.clone();
        problems.push(fault.into_problem(owner));
        let (Some(key), Data::Map(entries)) = (key, &mut rest.data) else {
            return Err(problems);
        };
        let before = entries.len();
        entries.retain(|(k, _)| k.value != key);
        if entries.len() == before {
            return Err(problems);
        }
        set_aside.push(key);
    }
}

#[derive(Debug)]
struct Fault {
    code: &'static str,
    message: String,
    label: String,
    help: Option<String>,
    place: Option<Place>,
    /// The outermost key that the fault is under.
    root_key: Option<String>,
    missing: Option<String>,
    param: Option<String>,
}

impl Fault {
    fn new(code: &'static str, message: impl Into<String>, label: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            code,
            message: message.into(),
            label: label.into(),
            help: None,
            place: None,
            root_key: None,
            missing: None,
            param: None,
        })
    }

    fn into_problem(self: Box<Self>, owner: &Place) -> Problem {
        let place = self
            .place
            .filter(|_| self.missing.is_none())
            .unwrap_or_else(|| owner.clone());
        let label = match self.param {
            Some(param) => format!("{} (from the parameter `{param}`)", self.label),
            None => self.label,
        };
        Problem::error(self.code, self.message)
            .at(&place, label)
            .maybe_help(self.help)
    }
}

#[derive(Debug)]
struct DecodeError(Box<Fault>);

impl DecodeError {
    fn at(mut self, value: &Value) -> Self {
        if self.0.place.is_none() {
            self.0.place = Some(value.place.clone());
            self.0.param = value.param.as_ref().map(ToString::to_string);
        }
        self
    }

    fn under(mut self, key: &str) -> Self {
        if self.0.root_key.is_none() && self.0.code == "spec::type" {
            self.0.message = format!("`{key}` {}", self.0.message);
        }
        self.0.root_key = Some(key.to_owned());
        self
    }
}

impl std::ops::Deref for DecodeError {
    type Target = Fault;
    fn deref(&self) -> &Fault {
        &self.0
    }
}

impl DecodeError {
    fn into_problem(self, owner: &Place) -> Problem {
        self.0.into_problem(owner)
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self(Fault::new("spec::value", message.to_string(), "here"))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = in_words(&expected.to_string());
        let mut fault = Fault::new(
            "spec::type",
            format!("must be {wanted}"),
            format!("{wanted} was expected"),
        );
        if wanted == "a list" {
            fault.help = Some("a list of one is written [VALUE]".into());
        }
        Self(fault)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Fault::new(
            "spec::variant",
            format!("`{variant}` is not one of the choices"),
            "this",
        );
        fault.help = Some(choices(variant, expected, "the choices are"));
        Self(fault)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Fault::new(
            "spec::unknown_key",
            format!("there is no key `{field}` here"),
            "unknown key",
        );
        fault.help = Some(choices(field, expected, "the keys are"));
        Self(fault)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut fault = Fault::new(
            "spec::missing_key",
            format!("the key `{field}` is missing"),
            "here",
        );
        fault.missing = Some(field.to_owned());
        fault.help = Some(format!("add `{field}: ...`"));
        Self(fault)
    }
}

fn choices(word: &str, expected: &[&str], lead: &str) -> String {
    match nearest(word, expected.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{lead} {}", expected.join(", ")),
    }
}

fn in_words(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a string" | "string" | "str" => "text".into(),
        "a boolean" => "true or false".into(),
        other if other.starts_with("a sequence") => "a list".into(),
        other if other.starts_with("a map") || other.starts_with("struct") => "a mapping".into(),
        other => other.to_owned(),
    }
}

struct ValueDecoder<'v> {
    value: &'v Value,
}

impl ValueDecoder<'_> {
    fn visit_any<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, DecodeError> {
        let result = match &self.value.data {
            Data::Null => visitor.visit_unit(),
            Data::Bool(b) => visitor.visit_bool(*b),
            Data::Int(i) => visitor.visit_i64(*i),
            Data::Unsigned(u) => visitor.visit_u64(*u),
            Data::Float(f) => visitor.visit_f64(*f),
            Data::Text(t) => visitor.visit_str(t),
            Data::Secret { shown, .. } => Err(DecodeError({
                let mut fault = Fault::new(
                    "spec::secret",
                    "a value from the environment is a secret, and this key does not keep secrets",
                    shown.clone(),
                );
                fault.help =
                    Some("use a parameter instead and give it with --set NAME=VALUE".into());
                fault
            })),
            Data::List(items) => visitor.visit_seq(ListAccess {
                items: items.iter(),
            }),
            Data::Map(entries) => visitor.visit_map(MapAccess {
                entries: entries.iter(),
                next: None,
            }),
        };
        result.map_err(|mut e| {
            if e.0.code == "spec::type" && e.0.place.is_none() {
                e.0.message += &format!(", found {}", self.value.describe());
            }
            e.at(self.value)
        })
    }
}

impl<'de> de::Deserializer<'de> for ValueDecoder<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.visit_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value.data {
            Data::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let marked = [REFERENCE_MARK, PATH_MARK, SECRET_MARK].contains(&name);
        if !marked {
            return visitor.visit_newtype_struct(self);
        }
        let place = self.value.clone();
        if let Data::Secret { text, .. } = &self.value.data
            && name != REFERENCE_MARK
        {
            MARKED.with(|m| *m.borrow_mut() = Some(place.clone()));
            let plain = Value {
                data: Data::Text(text.clone()),
                ..place
            };
            return visitor.visit_newtype_struct(ValueDecoder { value: &plain });
        }
        MARKED.with(|m| *m.borrow_mut() = Some(place));
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let result = match &self.value.data {
            Data::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(de::Error::invalid_type(
                Unexpected::Other("value"),
                &"a string",
            )),
        };
        result.map_err(|e: DecodeError| e.at(self.value))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct ListAccess<'v> {
    items: std::slice::Iter<'v, Value>,
}

impl<'de> de::SeqAccess<'de> for ListAccess<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        self.items
            .next()
            .map(|value| seed.deserialize(ValueDecoder { value }))
            .transpose()
    }
}

struct MapAccess<'v> {
    entries: std::slice::Iter<'v, (Spanned<String>, Value)>,
    next: Option<&'v (Spanned<String>, Value)>,
}

impl<'de> de::MapAccess<'de> for MapAccess<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        self.next = self.entries.next();
        let Some((key, _)) = self.next else {
            return Ok(None);
        };
        let as_value = Value::new(Data::Text(key.value.clone()), key.place.clone());
        let decoded = seed.deserialize(ValueDecoder { value: &as_value });
        decoded.map(Some).map_err(|e| e.under(&key.value))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let Some((key, value)) = self.next else {
            return Err(de::Error::custom("a value without a key"));
        };
        seed.deserialize(ValueDecoder { value })
            .map_err(|e| e.under(&key.value))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::super::yaml::parse;
    use super::*;
    use crate::diagnostics::Source;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Config {
        model: String,
        #[serde(default)]
        count: u32,
        #[serde(default)]
        rate: f64,
        #[serde(default)]
        mode: Mode,
        #[serde(default)]
        list: Vec<String>,
    }

    #[derive(Deserialize, Debug, PartialEq, Default)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        #[default]
        Fast,
        Exact,
    }

    fn decoded(text: &str) -> Result<Config, Vec<String>> {
        let value = parse(&Source::new("t", text, ".")).unwrap();
        decode::<Config>(&value, &value.place).map_err(|p| {
            p.iter()
                .map(|p| format!("{}: {}", p.code, p.message))
                .collect()
        })
    }

    #[test]
    fn decodes() {
        let config = decoded("{model: m, count: 3, rate: 2, mode: exact, list: [a]}").unwrap();
        assert_eq!(config.rate, 2.0);
        assert_eq!(config.mode, Mode::Exact);
    }

    #[test]
    fn every_fault_of_a_mapping_is_reported() {
        let faults = decoded("{modle: m, count: -1, mode: fats, list: a}").unwrap_err();
        assert_eq!(
            faults,
            [
                "spec::unknown_key: there is no key `modle` here",
                "spec::type: `count` must be a whole number of 0 or more, found the number -1",
                "spec::variant: `fats` is not one of the choices",
                "spec::type: `list` must be a list, found the text \"a\"",
                "spec::missing_key: the key `model` is missing",
            ]
        );
    }
}
