//! Values with places into the configuration structs of node kinds, by serde.
//!
//! Every fault points at the value or the key that it is about, and all faults of one mapping
//! are found in one go: a key that does not fit is set aside, something stands in for a key that
//! is missing, and the rest is tried again.

use std::cell::RefCell;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};

use super::fault::{DecodeError, Fault};
use super::stand_in::StandIn;
use super::value::{Data, Value};
use crate::diagnostics::{Place, Problems, Spanned};

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
    // Keys of which a fault has been reported, whether or not `T` can do without them.
    let mut reported: Vec<String> = Vec::new();
    let mut stand_ins: Vec<String> = Vec::new();
    loop {
        let decoder = ValueDecoder {
            value: &rest,
            stand_ins: &stand_ins,
        };
        let mut fault = match T::deserialize(decoder) {
            Ok(decoded) if problems.is_empty() => return Ok(decoded),
            Ok(_) => return Err(problems),
            Err(fault) => fault,
        };
        if let (Some(missing), None) = (&fault.missing, &fault.root_key) {
            let missing = missing.clone();
            if stand_ins.contains(&missing) {
                return Err(problems);
            }
            if !reported.contains(&missing) {
                problems.push(fault.into_problem(owner));
            }
            stand_ins.push(missing);
            continue;
        }
        let key = fault.0.root_key.take();
        if key.as_ref().is_some_and(|k| stand_ins.contains(k)) {
            return Err(problems);
        }
        reported.extend(fault.0.meant.take());
        problems.push(fault.into_problem(owner));
        let (Some(key), Data::Map(entries)) = (key, &mut rest.data) else {
            return Err(problems);
        };
        let before = entries.len();
        entries.retain(|(k, _)| k.value != key);
        if entries.len() == before {
            return Err(problems);
        }
        reported.push(key);
    }
}

struct ValueDecoder<'v> {
    value: &'v Value,
    /// Keys that a mapping is to have beside its own.
    stand_ins: &'v [String],
}

impl<'v> ValueDecoder<'v> {
    fn of(value: &'v Value) -> Self {
        Self {
            value,
            stand_ins: &[],
        }
    }

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
                stand_ins: self.stand_ins.iter(),
            }),
        };
        result.map_err(|mut e| {
            if e.0.code == "spec::type" && e.0.place.is_none() {
                e.0.message = format!("{}, found {}", e.0.message, self.value.describe());
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
            return visitor.visit_newtype_struct(ValueDecoder::of(&plain));
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
            .map(|value| {
                let decoded = seed.deserialize(ValueDecoder::of(value));
                decoded.map_err(|e| e.at(value))
            })
            .transpose()
    }
}

struct MapAccess<'v> {
    entries: std::slice::Iter<'v, (Spanned<String>, Value)>,
    next: Option<&'v (Spanned<String>, Value)>,
    stand_ins: std::slice::Iter<'v, String>,
}

impl<'de> de::MapAccess<'de> for MapAccess<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        self.next = self.entries.next();
        let Some((key, _)) = self.next else {
            let Some(key) = self.stand_ins.next() else {
                return Ok(None);
            };
            return seed.deserialize(key.as_str().into_deserializer()).map(Some);
        };
        let as_value = Value::new(Data::Text(key.value.clone()), key.place.clone());
        let decoded = seed.deserialize(ValueDecoder::of(&as_value));
        decoded.map(Some).map_err(|e| e.under(&key.value))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let Some((key, value)) = self.next else {
            return seed.deserialize(StandIn);
        };
        seed.deserialize(ValueDecoder::of(value))
            .map_err(|e| e.at(value).under(&key.value))
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
