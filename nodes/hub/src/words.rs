//! Faults of the hub in words for whoever runs the pipeline: what happened, and what to do. Never with the token.

use trommel_engine::node::{HubModel, NodeError};

use crate::error::HubError;
use crate::settings::Settings;

/// Said wherever the hub is not what helps.
const BY_HAND: &str = "a machine without a way to the hub can be given the model: copy its folder \
                       `models--org--name` into the hub cache, or name a folder in its place";

pub(crate) fn node_error(error: HubError, model: &HubModel, settings: &Settings) -> NodeError {
    let full = error.is_full();
    let (message, help) = match error {
        HubError::Cancelled => return NodeError::cancelled(),
        HubError::Unreachable { reason, .. } => unreachable(&reason, model, settings),
        HubError::Status {
            status, code, file, ..
        } => refused(status, &code, file.as_deref(), model, settings),
        HubError::Answer { reason } => (
            format!("{} does not answer as a hub: {reason}", settings.shown_endpoint()),
            "HF_ENDPOINT names another hub; what does a browser say of this address?".to_owned(),
        ),
        HubError::Cut { file, got, of } => (
            format!(
                "{}: the connection to the hub keeps breaking off; {file} has {} of {}",
                model.shown,
                size(got),
                size(of)
            ),
            "run again: it goes on from there".to_owned(),
        ),
        HubError::Digest { file } => (
            format!("{}: {file} comes with other contents than the hub says", model.shown),
            "something between here and the hub changes what it sends; run again, or fetch it by another way".to_owned(),
        ),
        HubError::NoRoom {
            folder,
            needed,
            free,
        } => (
            format!(
                "{} needs {}, and the disk of {} has {} left",
                model.shown,
                size(needed),
                folder.display(),
                size(free)
            ),
            String::new(),
        ),
        HubError::Io {
            action,
            path,
            source,
        } => (
            format!("{}: cannot {action} {}: {source}", model.shown, path.display()),
            "the hub cache is HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub".to_owned(),
        ),
        HubError::NoWeights { files } => (
            format!(
                "{} on the hub has {files} files, none of which holds weights that can be read",
                model.shown
            ),
            "weights are .safetensors, .bin, .pt or .pth files at the top of the repository".to_owned(),
        ),
    };
    let help = if full {
        "make room, or name another folder with HF_HOME or HF_HUB_CACHE; what has been fetched is kept"
            .to_owned()
    } else {
        help
    };
    NodeError::new(message).help(help)
}

fn unreachable(reason: &str, model: &HubModel, settings: &Settings) -> (String, String) {
    let HubModel {
        shown, looked_at, ..
    } = model;
    let message = format!(
        "the hub ({}) cannot be reached to fetch {shown}: {reason}; there is no folder {looked_at} either",
        settings.shown_endpoint()
    );
    let proxy = match crate::client::proxy_in_use(&settings.endpoint) {
        Some(variable) => format!("the request went through the proxy of {variable}; "),
        None => "HTTPS_PROXY names a proxy where one is needed; ".to_owned(),
    };
    (message, format!("{proxy}{BY_HAND}"))
}

/// The hub says no. It does not tell strangers whether a repository exists.
fn refused(
    status: u16,
    code: &str,
    file: Option<&str>,
    model: &HubModel,
    settings: &Settings,
) -> (String, String) {
    let HubModel {
        id,
        shown,
        looked_at,
        ..
    } = model;
    let hub = settings.shown_endpoint();
    // The page's address without the revision; of a name from the environment nothing is shown.
    let page = if shown.contains("${") {
        format!("the model's page on {hub}")
    } else {
        format!("{hub}/{}", id.repository())
    };
    let token = if settings.token.is_some() {
        "the token of HF_TOKEN (or of the token file) is not one of an account that may read it"
    } else {
        "no token is given (HF_TOKEN, or the file that `hf auth login` writes)"
    };
    match (status, code) {
        (401 | 403, "GatedRepo") => (
            format!("{shown} is gated: the hub wants its terms to be agreed to, and {token}"),
            format!("agree on {page}, then set HF_TOKEN to a token of that account"),
        ),
        (_, "RevisionNotFound") => (
            format!(
                "{shown}: the hub has no revision `{}` of this model",
                revision(model)
            ),
            format!("the branches and commits are on {page}/tree/main"),
        ),
        (401 | 403, "RepoNotFound") | (404, "RepoNotFound" | "") => (
            format!(
                "there is no folder {looked_at}, and the hub ({hub}) knows no model {shown}, or keeps it private: {token}"
            ),
            "is the name right? For a private model set HF_TOKEN".to_owned(),
        ),
        (401 | 403, _) => (
            format!("the hub ({hub}) does not let us have {shown} ({status}): {token}"),
            format!("set HF_TOKEN to a token of an account that can open {page}"),
        ),
        (404, _) => (
            format!(
                "{shown}: the hub has no file {} any more",
                file.unwrap_or("of this name")
            ),
            "run again".to_owned(),
        ),
        (429, _) => (
            format!("the hub ({hub}) wants fewer requests (429) and did not give {shown}"),
            "run again later; with a token (HF_TOKEN) it allows more".to_owned(),
        ),
        _ => (
            format!("the hub ({hub}) answers {status} when asked for {shown}"),
            "run again later; what has been fetched is kept".to_owned(),
        ),
    }
}

fn revision(model: &HubModel) -> &str {
    // One from the environment stays a name.
    if model.shown.contains("${") {
        "of the environment"
    } else {
        model.id.revision()
    }
}

/// `1.7 GB`, `350 KB`.
pub(crate) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.0} MB", b / 1e6),
        b if b >= 1e3 => format!("{:.0} KB", b / 1e3),
        b => format!("{b} bytes"),
    }
}
