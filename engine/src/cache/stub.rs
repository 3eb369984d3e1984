//! Stands in until the branch with the real ones is merged.
use super::{Cache, CacheError};
use crate::table::Digest;
pub struct KeyLock;
pub struct Corrupt {
    pub object: Digest,
    pub reason: String,
}
impl Cache {
    pub fn try_lock(&self, _key: Digest) -> Result<Option<KeyLock>, CacheError> {
        Ok(Some(KeyLock))
    }
    pub fn lock_holder(&self, _key: Digest) -> Option<String> {
        None
    }
    pub fn take_corrupt(&self) -> Vec<Corrupt> {
        Vec::new()
    }
    pub fn has_corrupt(&self) -> bool {
        false
    }
}
