//! What configurations refer to: tables, columns, files and secrets (models: `model_ref`). Each knows its place.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::diagnostics::{Place, Source};
use crate::spec::{Data, PATH_MARK, REFERENCE_MARK, SECRET_MARK, take_marked};

use super::model_ref::ModelRef;

/// Text under a mark: the text itself, what may be shown of it, and its place.
pub(super) struct Marked {
    pub(super) text: String,
    pub(super) shown: String,
    pub(super) place: Place,
    pub(super) written: Arc<Source>,
}

pub(super) fn marked<'de, D: Deserializer<'de>>(
    deserializer: D,
    mark: &'static str,
) -> Result<Marked, D::Error> {
    struct Newtype;
    impl<'de> Visitor<'de> for Newtype {
        type Value = (Option<crate::spec::Value>, String);

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(
            self,
            inner: D,
        ) -> Result<Self::Value, D::Error> {
            let origin = take_marked();
            Ok((origin, String::deserialize(inner)?))
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok((None, text.to_owned()))
        }
    }
    let (origin, text) = deserializer.deserialize_newtype_struct(mark, Newtype)?;
    Ok(match origin {
        Some(value) => {
            let shown = match &value.data {
                Data::Secret { shown, .. } => shown.clone(),
                _ => text.clone(),
            };
            Marked {
                text,
                shown,
                written: value.source().clone(),
                place: value.place,
            }
        }
        None => {
            let place = Place::new(
                Source::new("configuration", text.clone(), ""),
                0..text.len(),
            );
            Marked {
                shown: text.clone(),
                text,
                written: place.source.clone(),
                place,
            }
        }
    })
}

macro_rules! text_schema {
    ($type:ty, $name:literal, $description:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $description, "title": $name })
            }
        }
    };
}

/// `NODE` or `NODE.PORT`.
#[derive(Clone, Debug)]
pub struct TableRef {
    pub text: String,
    pub place: Place,
}

/// `NODE.COLUMN` or `NODE.PORT.COLUMN`.
#[derive(Clone, Debug)]
pub struct ColumnRef {
    pub text: String,
    pub place: Place,
}

/// A file or folder, relative to the pipeline file in which it is written.
#[derive(Clone, Debug)]
pub struct DataPath {
    path: PathBuf,
    shown: String,
    pub place: Place,
}

/// A value that is never printed, stored or put in a key.
#[derive(Clone)]
pub struct Secret {
    text: String,
    shown: String,
}

/// A word of a command.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub text: String,
    /// What a relative path in it starts from.
    pub folder: PathBuf,
    pub place: Place,
}

impl DataPath {
    /// A path that stands outside of any kind's configuration.
    pub(crate) fn from_value(
        value: &crate::spec::Value,
        owner: &Place,
    ) -> Result<Self, crate::diagnostics::Problems> {
        crate::spec::decode(value, owner)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As written, for messages; values from the environment stay names.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// `a/b/../c` as `a/c`, where `a/b` is a plain folder (behind a link, `..` leads elsewhere).
pub(super) fn tidy(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut tidied = PathBuf::new();
    for component in path.components() {
        let after_name = matches!(tidied.components().next_back(), Some(Component::Normal(_)));
        if component == Component::ParentDir && after_name && !tidied.is_symlink() {
            tidied.pop();
        } else {
            tidied.push(component);
        }
    }
    if tidied.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    tidied
}

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl<'de> Deserialize<'de> for TableRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        marked(deserializer, REFERENCE_MARK).map(|m| Self {
            text: m.text,
            place: m.place,
        })
    }
}

impl<'de> Deserialize<'de> for ColumnRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        marked(deserializer, REFERENCE_MARK).map(|m| Self {
            text: m.text,
            place: m.place,
        })
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not a path's mark: everybody on the machine can read commands, so they keep no secrets.
        marked(deserializer, REFERENCE_MARK).map(|m| Self {
            text: m.text,
            folder: m.written.folder().to_owned(),
            place: m.place,
        })
    }
}

impl<'de> Deserialize<'de> for DataPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let m = marked(deserializer, PATH_MARK)?;
        if m.text.is_empty() {
            return Err(serde::de::Error::custom("a path must not be empty"));
        }
        Ok(Self {
            path: tidy(&m.written.folder().join(&m.text)),
            shown: m.shown,
            place: m.place,
        })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let m = marked(deserializer, SECRET_MARK)?;
        Ok(Self {
            text: m.text,
            shown: m.shown,
        })
    }
}

impl Serialize for TableRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Serialize for ColumnRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Serialize for DataPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

text_schema!(TableRef, "table", "NODE or NODE.PORT");
text_schema!(ColumnRef, "column", "NODE.COLUMN or NODE.PORT.COLUMN");
text_schema!(DataPath, "path", "a path, relative to the pipeline file");
text_schema!(
    ModelRef,
    "model",
    "a folder, relative to the pipeline file, else a hub id org/name or org/name@revision"
);
text_schema!(Secret, "secret", "a secret, written ${env:NAME}");
