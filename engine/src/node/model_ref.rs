//! A model as a configuration names it, and where it lies.

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};

use super::hub::{HubId, hub_cache, hub_is_offline};
use super::model_files;
use super::model_source::HubModel;
use super::reference::{marked, tidy};
use crate::diagnostics::{Place, Source};
use crate::spec::PATH_MARK;

/// A model: a folder (relative to the pipeline file), else a hub id `org/name`.
#[derive(Clone, Debug)]
pub struct ModelRef {
    text: String,
    shown: String,
    written: Arc<Source>,
    pub place: Place,
}

/// Where a model is.
#[derive(Clone, Debug)]
pub enum ModelPlace {
    /// The user's folder or file, taken as it is.
    Local(PathBuf),
    /// A snapshot in the hub cache with all that is needed.
    Cached(PathBuf),
    /// It has to be fetched.
    Hub(Box<HubModel>),
    /// Nowhere; the words say where it was looked for.
    Absent(String),
}

impl ModelRef {
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Where the model is. `parts` are files that must be there if it is one of the hub's, alternatives separated by `|`.
    pub fn place(&self, parts: &'static [&'static str]) -> ModelPlace {
        let local = self.local();
        if local.exists() {
            return ModelPlace::Local(local);
        }
        let Some(id) = HubId::parse(&self.text) else {
            return ModelPlace::Absent(format!("there is no folder {}", self.looked_at()));
        };
        let snapshot = id.snapshot(&hub_cache());
        let lacks = match &snapshot {
            Some(snapshot) => model_files::lacks(snapshot, parts),
            None => None,
        };
        match (snapshot, lacks) {
            (Some(snapshot), None) => ModelPlace::Cached(snapshot),
            (found, lacks) if hub_is_offline() => {
                let offline = "HF_HUB_OFFLINE is set, so nothing is fetched";
                ModelPlace::Absent(match (found, lacks) {
                    (Some(_), Some(lacks)) => format!(
                        "the hub cache ({}) has only a part of {}, {lacks} is missing; {offline}",
                        hub_cache().display(),
                        self.shown
                    ),
                    _ => format!("{}; {offline}", self.nowhere()),
                })
            }
            _ => ModelPlace::Hub(Box::new(HubModel {
                id,
                shown: self.shown.clone(),
                parts,
                looked_at: self.looked_at(),
            })),
        }
    }

    /// The folder or file that holds the model, or a sentence that says where it was looked for. The engine has fetched
    /// the models of a node before it is built.
    pub fn resolve(&self) -> Result<PathBuf, String> {
        let local = self.local();
        if local.exists() {
            return Ok(local);
        }
        match HubId::parse(&self.text) {
            None => Err(format!("there is no folder {}", self.looked_at())),
            Some(id) => id.snapshot(&hub_cache()).ok_or_else(|| self.nowhere()),
        }
    }

    fn local(&self) -> PathBuf {
        tidy(&self.written.folder().join(&self.text))
    }

    /// The folder that was looked for; what comes from the environment is not shown.
    fn looked_at(&self) -> String {
        if self.shown == self.text {
            self.local().display().to_string()
        } else {
            self.shown.clone()
        }
    }

    fn nowhere(&self) -> String {
        format!(
            "there is neither a folder {} nor a model {} in the hub cache ({})",
            self.looked_at(),
            self.shown,
            hub_cache().display()
        )
    }
}

impl<'de> Deserialize<'de> for ModelRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let m = marked(deserializer, PATH_MARK)?;
        if m.text.is_empty() {
            return Err(serde::de::Error::custom("a model must not be empty"));
        }
        Ok(Self {
            text: m.text,
            shown: m.shown,
            written: m.written,
            place: m.place,
        })
    }
}

impl Serialize for ModelRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}
