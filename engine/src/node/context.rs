//! What a node gets while it runs: its device, a scratch folder, a way to say how far it is.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::{Answers, NodeError};
use crate::worker::Workers;

/// Where models run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The first GPU where the worker finds one, else the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda(u32),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| format!("`{text}` is no device: auto, cpu or cuda:N")),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Device {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "device".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "auto, cpu or cuda:N", "pattern": "^(auto|cpu|cuda(:[0-9]+)?)$" })
    }
}

/// Something a node says while it runs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum NodeEvent {
    /// `done` of `total` units of work, with what else is worth seeing (loss, rows/s).
    Progress {
        done: u64,
        total: Option<u64>,
        #[serde(skip_serializing_if = "String::is_empty")]
        note: String,
    },
    Log {
        message: String,
    },
    Warning {
        message: String,
    },
    /// The worker process that does the node's work.
    Worker {
        name: String,
        version: String,
        device: String,
        process: u32,
    },
}

/// Who listens to a node.
pub trait Monitor: Send + Sync {
    fn event(&self, event: NodeEvent);
}

/// Given to every call of a node.
pub struct Context<'a> {
    pub device: Device,
    /// A folder of the node's own, removed when the node is done.
    pub scratch: &'a Path,
    /// Of a node that resumes ([`super::Contract::resumes`]): a folder that is there until its result is stored, whatever
    /// happens to the process. What work on the same inputs and configuration left in it before is still there.
    pub unfinished: Option<&'a Path>,
    /// Of a node that resumes: it is to say what it needs, and not to begin.
    pub dry_run: bool,
    pub workers: &'a Workers,
    pub answers: &'a dyn Answers,
    pub monitor: &'a dyn Monitor,
    pub cancel: &'a AtomicBool,
}

impl Context<'_> {
    pub fn progress(&self, done: u64, total: Option<u64>, note: impl Into<String>) {
        self.monitor.event(NodeEvent::Progress {
            done,
            total,
            note: note.into(),
        });
    }

    pub fn warn(&self, message: impl Into<String>) {
        self.monitor.event(NodeEvent::Warning {
            message: message.into(),
        });
    }

    pub fn log(&self, message: impl Into<String>) {
        self.monitor.event(NodeEvent::Log {
            message: message.into(),
        });
    }

    /// To be asked now and then by a node that works for long.
    pub fn check_cancelled(&self) -> Result<(), NodeError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(NodeError::cancelled());
        }
        Ok(())
    }
}
