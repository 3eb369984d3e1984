//! What the rows without a mark will cost, told before they are asked.

use std::collections::HashSet;

use trommel_engine::node::prelude::*;

use super::budget::Tokens;
use super::config::Config;
use super::node::unique_idx;
use super::question::{Asking, Rows};
use super::recorded::Recorded;

/// Looks at questions and answers without asking.
pub(super) struct Estimates(pub Config);

/// What was found so far.
#[derive(Default)]
struct Found {
    estimate: Estimate,
    tokens: Tokens,
    seen: HashSet<trommel_engine::table::Digest>,
}

impl Estimator for Estimates {
    fn estimate(&self, rows: &[RecordBatch], answers: &dyn Answers) -> Result<Estimate, NodeError> {
        let config = &self.0;
        // A template that does not parse has been refused.
        let Some(asking) = Asking::new(config).map_err(NodeError::new)? else {
            return Ok(Estimate::default());
        };
        let recorded = config
            .responses
            .as_ref()
            .map(|path| Recorded::new(path.path()));
        let mut found = Found::default();
        // To look up whether it is answered, an image would have to be read.
        found.estimate.at_most = asking.sends_images();
        for batch in rows {
            let numbers = recorded.is_some().then(|| unique_idx(batch)).transpose()?;
            let columns = asking.rows(batch)?;
            for row in 0..batch.num_rows() {
                let is_recorded = numbers
                    .zip(recorded.as_ref())
                    .is_some_and(|(numbers, recorded)| recorded.has(numbers.value(row)));
                if !is_recorded {
                    found.add(&asking, &columns, row, answers)?;
                }
            }
        }
        Ok(Estimate {
            input_tokens: found.tokens.input,
            output_tokens: found.tokens.output,
            cost: config.price.map(|price| price.of(found.tokens)),
            ..found.estimate
        })
    }
}

impl Found {
    fn add(
        &mut self,
        asking: &Asking,
        columns: &Rows,
        row: usize,
        answers: &dyn Answers,
    ) -> Result<(), NodeError> {
        // Rows whose question cannot be made are not asked; the run says why.
        let guess = if asking.sends_images() {
            asking.size(columns, row).ok().flatten()
        } else if let Ok(Some(question)) = asking.question(columns, row) {
            if !self.seen.insert(question.digest) {
                None
            } else if answers.get(question.digest)?.is_some() {
                self.estimate.answered += 1;
                None
            } else {
                Some(question.guess)
            }
        } else {
            None
        };
        if let Some(guess) = guess {
            self.estimate.requests += 1;
            self.tokens.add(guess);
        }
        Ok(())
    }
}
