//! Where models come from that are not on this machine yet.

use std::sync::atomic::AtomicBool;

use super::{HubId, Monitor, NodeError};

/// A model of the hub that a node needs.
#[derive(Clone, Debug)]
pub struct HubModel {
    pub id: HubId,
    /// The id as messages may show it; what comes from the environment stays a name.
    pub shown: String,
    /// Files that the kind asks for ([`super::FileNeed::parts`]).
    pub parts: &'static [&'static str],
    /// The folder that would have been the model, for messages.
    pub looked_at: String,
}

/// Brings models into the hub cache. Called from several threads.
pub trait ModelSource: Send + Sync {
    /// Returns when all files of the model ([`super::model_files`]) are in the hub cache. Says to the monitor how far it is,
    /// and stops when `cancel` is set; what is there by then is not fetched again.
    fn fetch(
        &self,
        model: &HubModel,
        monitor: &dyn Monitor,
        cancel: &AtomicBool,
    ) -> Result<(), NodeError>;
}

/// Fetches nothing.
pub struct NoSource;

impl ModelSource for NoSource {
    fn fetch(&self, model: &HubModel, _: &dyn Monitor, _: &AtomicBool) -> Result<(), NodeError> {
        let shown = &model.shown;
        Err(NodeError::new(format!(
            "the model {shown} is not in the hub cache"
        )))
    }
}
