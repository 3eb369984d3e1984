//! The cache's answers as nodes see them.

use crate::cache::Cache;
use crate::node::{Answers, Claim, NodeError};
use crate::table::Digest;

/// Answers and claims of one cache.
pub(super) struct Shared<'a>(pub &'a Cache);

impl Answers for Shared<'_> {
    fn get(&self, question: Digest) -> Result<Option<String>, NodeError> {
        self.0.answers.get(question).map_err(NodeError::from)
    }

    fn claim(&self, question: Digest) -> Result<Option<Claim>, NodeError> {
        let Some(lock) = self.0.try_lock(question)? else {
            return Ok(None);
        };
        // Who held it before has stored the answer before letting go.
        self.0.answers.refresh()?;
        Ok(Some(Claim::new(lock)))
    }

    fn put(&self, answers: &[(Digest, String)]) -> Result<(), NodeError> {
        self.0.answers.put(answers).map_err(NodeError::from)
    }
}
