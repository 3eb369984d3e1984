//! Answers of servers that take money: what a node was told once, it need not ask again.

use super::NodeError;
use crate::table::Digest;

/// Where answers are kept, by the digest of their question. They stay when the rows and nodes that asked are gone.
pub trait Answers: Send + Sync {
    /// The answer to a question, if it is known.
    fn get(&self, question: Digest) -> Result<Option<String>, NodeError>;

    /// Takes the right to ask; none while another node or process asks the same. With it in hand, [`Answers::get`] knows
    /// all that was stored before, so it is to be asked once more.
    fn claim(&self, question: Digest) -> Result<Option<Claim>, NodeError>;

    /// Keeps answers, each a line of text. They are on the disk once this returns, and count from then on.
    fn put(&self, answers: &[(Digest, String)]) -> Result<(), NodeError>;
}

/// The right to ask a question, until this is dropped.
pub struct Claim(#[expect(dead_code, reason = "held, not read")] Box<dyn Send>);

impl Claim {
    pub fn new(held: impl Send + 'static) -> Self {
        Self(Box::new(held))
    }
}

/// Keeps nothing, for nodes that are called without an engine.
pub struct NoAnswers;

impl Answers for NoAnswers {
    fn get(&self, _: Digest) -> Result<Option<String>, NodeError> {
        Ok(None)
    }

    fn claim(&self, _: Digest) -> Result<Option<Claim>, NodeError> {
        Ok(Some(Claim::new(())))
    }

    fn put(&self, _: &[(Digest, String)]) -> Result<(), NodeError> {
        Ok(())
    }
}
