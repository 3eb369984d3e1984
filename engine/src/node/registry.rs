//! The kinds there are: a plain slice, and the erased face that the engine sees of each.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Contract, Format, Kind, NodeError, OutputFormat, Work};
use crate::diagnostics::{Place, Problems, nearest};
use crate::spec::{Value, decode};

/// All kinds and formats of a program.
#[derive(Clone, Copy)]
pub struct Registry {
    pub kinds: &'static [&'static [Entry]],
    pub formats: &'static [&'static dyn Format],
}

/// A kind and the text of its file, whose header is its documentation.
#[derive(Clone, Copy)]
pub struct Entry {
    pub kind: &'static dyn ErasedKind,
    pub source: &'static str,
}

/// [`Kind`] without its types. Implemented for [`Erased`] only.
pub trait ErasedKind: Send + Sync {
    fn name(&self) -> &'static str;
    fn version(&self) -> u32;
    fn schema(&self) -> schemars::Schema;
    fn decode(&self, value: &Value, owner: &Place) -> Result<Box<dyn ErasedConfig>, Problems>;
}

/// A decoded configuration of some kind.
pub trait ErasedConfig: Send + Sync {
    fn contract(&self) -> Contract;
    fn build(&self) -> Result<Work, NodeError>;
    fn to_json(&self) -> serde_json::Value;
}

/// Makes an [`ErasedKind`] of a [`Kind`].
pub struct Erased<K>(PhantomData<fn() -> K>);

impl<K> Erased<K> {
    pub const NEW: Self = Self(PhantomData);
}

struct Decoded<K: Kind>(Arc<K::Config>);

impl<K: Kind> ErasedKind for Erased<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn version(&self) -> u32 {
        K::VERSION
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(K::Config)
    }

    fn decode(&self, value: &Value, owner: &Place) -> Result<Box<dyn ErasedConfig>, Problems> {
        let config: K::Config = decode(value, owner)?;
        Ok(Box::new(Decoded::<K>(Arc::new(config))))
    }
}

impl<K: Kind> ErasedConfig for Decoded<K> {
    fn contract(&self) -> Contract {
        let mut contract = Contract::default();
        K::contract(&self.0, &mut contract);
        contract
    }

    fn build(&self) -> Result<Work, NodeError> {
        K::build(&self.0)
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&*self.0).unwrap_or_default()
    }
}

impl Registry {
    pub fn entries(&self) -> impl Iterator<Item = &'static Entry> + use<> {
        self.kinds.iter().flat_map(|family| family.iter())
    }

    pub fn find(&self, name: &str) -> Option<&'static Entry> {
        self.entries().find(|e| e.kind.name() == name)
    }

    pub fn nearest_kind(&self, name: &str) -> Option<&'static str> {
        nearest(name, self.entries().map(|e| e.kind.name()))
    }

    pub fn format(&self, name: &str) -> Option<OutputFormat> {
        let mut formats = self.output_formats();
        formats.find(|format| format.name() == name)
    }

    /// All that can stand after `format:`.
    pub fn output_formats(&self) -> impl Iterator<Item = OutputFormat> + use<> {
        let files = self.formats.iter().copied().map(OutputFormat::File);
        files.chain([OutputFormat::Folder])
    }
}

impl Entry {
    /// The `//!` header of the kind's file, without its marks.
    pub fn documentation(&self) -> String {
        let lines = self
            .source
            .lines()
            .map_while(|line| line.strip_prefix("//!"));
        lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The YAML example of the header.
    pub fn example(&self) -> Option<String> {
        let text = self.documentation();
        let start = text.find("```yaml\n")? + "```yaml\n".len();
        let end = text[start..].find("```")?;
        Some(text[start..start + end].to_owned())
    }
}
