//! What can be wrong with a value that is decoded, in words that people understand.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::value::Value;
use crate::diagnostics::{Place, Problem, nearest, suggest};

#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
    label: String,
    pub(super) help: Option<String>,
    pub(super) place: Option<Place>,
    /// The outermost key that the fault is under.
    pub(super) root_key: Option<String>,
    /// The key that is not there.
    pub(super) missing: Option<String>,
    /// The key that an unknown key is likely to stand for.
    pub(super) meant: Option<String>,
    param: Option<String>,
}

impl Fault {
    pub(super) fn new(
        code: &'static str,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self {
            code,
            message: message.into(),
            label: label.into(),
            help: None,
            place: None,
            root_key: None,
            missing: None,
            meant: None,
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
pub(super) struct DecodeError(pub(super) Box<Fault>);

impl DecodeError {
    pub(super) fn at(mut self, value: &Value) -> Self {
        if self.0.place.is_none() {
            self.0.place = Some(value.place.clone());
            self.0.param = value.param.as_ref().map(ToString::to_string);
        }
        self
    }

    pub(super) fn under(mut self, key: &str) -> Self {
        if self.0.root_key.is_none() {
            match self.0.code {
                "spec::type" => self.0.message = format!("`{key}` {}", self.0.message),
                "spec::variant" => self.0.message = format!("{} for `{key}`", self.0.message),
                _ => {}
            }
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
    pub(super) fn into_problem(self, owner: &Place) -> Problem {
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
        let positive = matches!(found, Unexpected::Unsigned(_) | Unexpected::Signed(0..));
        if !positive || expected.to_string() != "u32" {
            return Self::invalid_type(found, expected);
        }
        let wanted = format!("at most {}", u32::MAX);
        Self(Fault::new(
            "spec::type",
            format!("must be {wanted}"),
            wanted,
        ))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Fault::new(
            "spec::variant",
            format!("`{variant}` is not one of the choices"),
            "not a choice",
        );
        fault.help = Some(suggest(variant, "choice", expected));
        Self(fault)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Fault::new(
            "spec::unknown_key",
            format!("there is no key `{field}` here"),
            "unknown key",
        );
        fault.help = Some(suggest(field, "key", expected));
        fault.meant = nearest(field, expected.iter().copied()).map(ToOwned::to_owned);
        Self(fault)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut fault = Fault::new(
            "spec::missing_key",
            format!("the key `{field}` is missing"),
            "this has no such key",
        );
        fault.missing = Some(field.to_owned());
        fault.help = Some(format!("add `{field}: ...`"));
        Self(fault)
    }
}

fn in_words(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more".into(),
        "a nonzero u32" => "a whole number of 1 or more".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a string" | "string" | "str" => "text".into(),
        "a boolean" => "true or false".into(),
        other if other.starts_with("a sequence") => "a list".into(),
        other if other.starts_with("a map") || other.starts_with("struct") => "a mapping".into(),
        other => other.to_owned(),
    }
}
