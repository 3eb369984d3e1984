//! Models of the hub: fetched before a node's key is made, and what of them counts.

use super::RunError;
use super::job::Job;
use crate::cache::{Cache, CacheError};
use crate::node::{FileNeed, HubModel, ModelPlace, ModelRef, model_files};
use crate::plan::PlanNode;
use crate::table::Digest;

/// The models of a node that are not on this machine yet.
pub(super) fn to_fetch(node: &PlanNode) -> Vec<(&FileNeed, HubModel)> {
    let needs = node.contract.files.iter();
    needs
        .filter_map(|need| match need.model_place()? {
            ModelPlace::Hub(model) => Some((need, *model)),
            _ => None,
        })
        .collect()
}

/// Fetches them. Holds no permit: the network is no processor.
pub(super) fn fetch(job: &Job<'_>) -> Result<(), RunError> {
    for (need, model) in to_fetch(job.node) {
        job.models
            .fetch(&model, job, job.cancel)
            .map_err(|mut error| {
                error.message = format!("`{}`: {}", need.key, error.message);
                error
            })?;
    }
    Ok(())
}

/// The files of a model that count, each with its content. Of a snapshot of the hub's those that are used; of a folder all.
pub(super) fn members(
    model: &ModelRef,
    parts: &'static [&'static str],
    cache: &Cache,
) -> Result<Vec<(String, Digest)>, RunError> {
    let snapshot = match model.place(parts) {
        ModelPlace::Local(path) => return Ok(cache.files.model(&path)?),
        ModelPlace::Absent(reason) => return Err(RunError::new(reason)),
        ModelPlace::Cached(snapshot) => snapshot,
        // The hub has no more of it than this; whoever opens it says what it misses.
        ModelPlace::Hub(_) => model.resolve().map_err(RunError::new)?,
    };
    let names = model_files::names_in(&snapshot).map_err(|source| CacheError::Io {
        action: "list",
        path: snapshot.clone(),
        source,
    })?;
    let chosen = model_files::chosen(&names, parts).into_iter();
    chosen
        .map(|name| {
            let digest = cache.files.digest(&snapshot.join(&name))?;
            Ok((name, digest))
        })
        .collect()
}
