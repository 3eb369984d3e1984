//! The Hugging Face hub as far as this machine knows it: ids of models, and the cache folder that `transformers` shares.
//!
//! Looks at the environment and at folders only; what fetches is a [`super::ModelSource`].

use std::path::{Path, PathBuf};

/// `org/name` or `org/name@revision`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubId {
    repository: String,
    revision: Option<String>,
}

impl HubId {
    pub fn parse(text: &str) -> Option<Self> {
        let (repository, revision) = match text.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (text, None),
        };
        let (organisation, name) = repository.split_once('/')?;
        let fits = is_name(organisation) && is_name(name) && revision.is_none_or(is_revision);
        fits.then(|| Self {
            repository: repository.to_owned(),
            revision: revision.map(ToOwned::to_owned),
        })
    }

    /// `org/name`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// A branch, a tag or a commit.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or("main")
    }

    /// The revision is the full name of a commit, which can never mean anything else.
    pub fn is_commit(&self) -> bool {
        let revision = self.revision();
        revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
    }

    /// The folder of the model in a hub cache.
    pub fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(format!("models--{}", self.repository.replace('/', "--")))
    }

    /// The files of the revision in a hub cache, if any of them are there.
    pub fn snapshot(&self, cache: &Path) -> Option<PathBuf> {
        let folder = self.folder(cache);
        let commit = if self.is_commit() {
            self.revision().to_owned()
        } else {
            std::fs::read_to_string(folder.join("refs").join(self.revision())).ok()?
        };
        let commit = commit.trim();
        let plain = !commit.is_empty() && commit.bytes().all(|b| b.is_ascii_alphanumeric());
        let snapshot = folder.join("snapshots").join(commit);
        (plain && snapshot.is_dir()).then_some(snapshot)
    }
}

/// The hub's own rule for names.
fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !text.is_empty()
        && text.len() <= 96
        && text.chars().all(allowed)
        && !text.starts_with(['.', '-'])
        && !text.ends_with(['.', '-'])
        && !text.contains("--")
        && !text.contains("..")
}

/// As git allows, without what would lead out of a folder.
fn is_revision(text: &str) -> bool {
    let part = |p: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        !p.is_empty() && !p.starts_with('.') && !p.contains("..") && p.chars().all(allowed)
    };
    text.split('/').all(part)
}

/// The folder of the hub's things on this machine: `HF_HOME`, else `huggingface` in the user's cache folder.
pub fn hub_home() -> PathBuf {
    folder_of("HF_HOME")
        .or_else(|| folder_of("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
        .unwrap_or_else(|| expanded(PathBuf::from("~/.cache/huggingface")))
}

/// The folder of downloaded models: `HF_HUB_CACHE`, else `hub` in [`hub_home`].
pub fn hub_cache() -> PathBuf {
    folder_of("HF_HUB_CACHE")
        .or_else(|| folder_of("HUGGINGFACE_HUB_CACHE"))
        .unwrap_or_else(|| hub_home().join("hub"))
}

/// The user wants nothing to be asked of the hub.
pub fn hub_is_offline() -> bool {
    ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .any(|value| ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str()))
}

fn folder_of(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
    Some(expanded(PathBuf::from(value)))
}

/// With the user's folder in place of `~`.
fn expanded(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_id() {
        let id = HubId::parse("openai/clip-vit-base-patch32").unwrap();
        assert_eq!(id.repository(), "openai/clip-vit-base-patch32");
        assert_eq!(id.revision(), "main");
        let id = HubId::parse("laion/CLIP_a.b@refs/pr/3").unwrap();
        assert_eq!(
            (id.repository(), id.revision()),
            ("laion/CLIP_a.b", "refs/pr/3")
        );
        assert!(!id.is_commit());
        assert!(
            HubId::parse(&format!("a/b@{}", "0a".repeat(20)))
                .unwrap()
                .is_commit()
        );
        for other in [
            "clip",
            "",
            "/",
            "a/",
            "/b",
            "./b",
            "../b",
            "a/..",
            "a/b/c",
            "a/b@",
            "a/b@../x",
            "a/b@x/../y",
            "a b/c",
            "a/b--c",
            "a/-b",
            "a/b.",
            "~/b",
        ] {
            assert!(HubId::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_snapshot_is_the_one_that_the_revision_names() {
        let cache = tempfile::tempdir().unwrap();
        let commit = "c0ffee".repeat(7)[..40].to_owned();
        let id = HubId::parse("org/name").unwrap();
        let folder = cache.path().join("models--org--name");
        std::fs::create_dir_all(folder.join("snapshots").join(&commit)).unwrap();
        std::fs::create_dir_all(folder.join("refs")).unwrap();
        assert_eq!(id.snapshot(cache.path()), None);
        std::fs::write(folder.join("refs/main"), format!("{commit}\n")).unwrap();
        let snapshot = folder.join("snapshots").join(&commit);
        assert_eq!(id.snapshot(cache.path()), Some(snapshot.clone()));
        let of = |revision: &str| {
            let id = HubId::parse(&format!("org/name@{revision}")).unwrap();
            id.snapshot(cache.path())
        };
        assert_eq!(of(&commit), Some(snapshot));
        assert_eq!(of("v1"), None);
        // What stands there is not trusted to be a commit.
        std::fs::write(folder.join("refs/v1"), "..").unwrap();
        assert_eq!(of("v1"), None);
    }
}
