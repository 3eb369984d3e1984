//! What the batches of one node share: the connection, the limits, what was sent and spent, and when it is hopeless.

use std::sync::Arc;
use std::time::{Duration, Instant};

use trommel_engine::node::prelude::*;

use super::answer::Answer;
use super::budget::{Budget, Tokens};
use super::client::Client;
use super::limiter::Limiter;

/// So many rows in a row that fail for passing reasons, each after all its attempts: the server is gone.
const HOPELESS: u32 = 8;

/// No answer for so long, and so many requests that failed since the last one.
const SILENCE: Duration = Duration::from_mins(10);
const SILENT: u32 = 24;

/// So many rows refused before the first answer: it is not the rows.
const ALL_REFUSED: u32 = 32;

/// The pause of a row before it is tried again; it doubles with each attempt, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(20);

/// Between words about progress, and about trouble.
const PROGRESS: Duration = Duration::from_millis(500);
const TROUBLE: Duration = Duration::from_secs(30);

pub(super) struct Asker {
    pub client: Arc<Client>,
    pub limiter: Limiter,
    pub budget: Budget,
    pub attempts: u32,
    pub tally: Tally,
    hopeless: u32,
    /// Since the last answer.
    failed: u32,
    last_answer: Instant,
    refused: u32,
    began: Instant,
    told_progress: Instant,
    told_trouble: Option<Instant>,
}

/// What has happened so far.
#[derive(Default)]
pub(super) struct Tally {
    /// Rows with an outcome.
    pub rows: u64,
    pub answered: u64,
    /// Answers that were kept from before.
    pub known: u64,
}

impl Asker {
    pub(super) fn new(client: Client, limiter: Limiter, budget: Budget, attempts: u32) -> Self {
        let now = Instant::now();
        Self {
            client: Arc::new(client),
            limiter,
            budget,
            attempts,
            tally: Tally::default(),
            hopeless: 0,
            failed: 0,
            last_answer: now,
            refused: 0,
            began: now,
            told_progress: now,
            told_trouble: None,
        }
    }

    pub(super) fn may_send(&self) -> bool {
        self.limiter.has_room() && self.limiter.wait(Instant::now()).is_zero()
    }

    pub(super) fn answered(&mut self, now: Instant, guess: Tokens, answer: &Answer) {
        let used = Tokens {
            input: answer.input_tokens,
            output: answer.output_tokens,
        };
        // Some servers do not count.
        let used = if used == Tokens::default() {
            guess
        } else {
            used
        };
        self.limiter.answered(now, guess.all(), used.all());
        self.budget.ended(guess, Some(used));
        self.tally.answered += 1;
        (self.hopeless, self.failed) = (0, 0);
        self.last_answer = now;
    }

    /// A request has failed for a passing reason; an error if it does not pass.
    pub(super) fn fails(&mut self, now: Instant, reason: &str) -> Option<NodeError> {
        self.failed += 1;
        let silence = now.saturating_duration_since(self.last_answer);
        (self.failed >= SILENT && silence >= SILENCE).then(|| {
            let minutes = silence.as_secs() / 60;
            self.gone(&format!(
                "no answer for {minutes} min; the last time: {reason}"
            ))
        })
    }

    /// A row has failed after all its attempts; an error if there is no hope for others.
    pub(super) fn gives_up(&mut self, reason: &str) -> Option<NodeError> {
        self.hopeless += 1;
        (self.hopeless >= HOPELESS).then(|| {
            let attempts = self.attempts;
            self.gone(&format!(
                "no answer to the last {HOPELESS} rows, after {attempts} attempts each; the last time: {reason}"
            ))
        })
    }

    fn gone(&self, how: &str) -> NodeError {
        NodeError::new(format!("{}: {how}", self.client.url())).help(
            "look whether the server is there, then run again: the answers that are there are kept; `attempts` makes it more \
             patient",
        )
    }

    /// The server does not take a row's question; an error if it has taken none so far and does not say that it is the row's
    /// fault.
    pub(super) fn refused(&mut self, reason: &str, of_content: bool) -> Option<NodeError> {
        self.refused += u32::from(!of_content);
        let all = self.tally.answered == 0 && self.refused >= ALL_REFUSED;
        all.then(|| {
            let url = self.client.url();
            NodeError::new(format!(
                "{url}: all of the first {ALL_REFUSED} requests were refused; the last one: {reason}"
            ))
            .help("look at `model`, `body` and what the prompt says")
        })
    }

    /// The end of what may be spent.
    pub(super) fn spent(&self, why: &str) -> NodeError {
        NodeError::new(format!(
            "{why}, and there is more to ask: {}",
            self.summary()
        ))
        .help("the answers that are there are kept: run again to go on, or allow more")
    }

    /// `1204 requests sent for 1180 answers, 88 answers were there; 512000 tokens in and 12040 out, cost 0.2741`.
    pub(super) fn summary(&self) -> String {
        let (requests, answered) = (self.budget.requests, self.tally.answered);
        let mut words = format!("{requests} requests sent for {answered} answers");
        if self.tally.known > 0 {
            words += &format!(", {} answers were there", self.tally.known);
        }
        if requests > 0 {
            let used = self.budget.used;
            words += &format!("; {} tokens in and {} out", used.input, used.output);
        }
        if let Some(cost) = self.budget.cost() {
            words += &format!(", cost {cost:.4}");
        }
        words
    }

    pub(super) fn tell_progress(&mut self, context: &Context<'_>) {
        if self.told_progress.elapsed() < PROGRESS {
            return;
        }
        self.told_progress = Instant::now();
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let note = format!(
            "rows; {} in flight, {:.1} answers/s",
            self.limiter.in_flight(),
            self.tally.answered as f64 / seconds
        );
        context.progress(self.tally.rows, None, note);
    }

    /// Says now and then what is wrong with the server.
    pub(super) fn tell_trouble(&mut self, reason: &str, context: &Context<'_>) {
        if self
            .told_trouble
            .is_none_or(|told| told.elapsed() >= TROUBLE)
        {
            self.told_trouble = Some(Instant::now());
            context.warn(format!("{}: {reason}; trying again", self.client.url()));
        }
    }
}

/// How long a row waits before it is tried again: longer each time, and not all rows at once.
pub(super) fn pause_of_row(row: usize, attempt: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(16));
    let spread = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    pause
        .min(LAST_PAUSE)
        .mul_f64(0.5 + 0.5 * spread as f64 / f64::from(1 << 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wait_longer_each_time_and_not_all_alike() {
        let pauses: Vec<Duration> = (1..=20).map(|attempt| pause_of_row(7, attempt)).collect();
        assert!(pauses.is_sorted());
        assert!(pauses[0] >= FIRST_PAUSE / 2 && pauses[0] <= FIRST_PAUSE);
        assert!(pauses[19] >= LAST_PAUSE / 2 && pauses[19] <= LAST_PAUSE);
        let others: std::collections::BTreeSet<Duration> =
            (0..100).map(|row| pause_of_row(row, 3)).collect();
        assert!(others.len() > 90);
    }
}
