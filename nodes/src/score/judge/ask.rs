//! Asks the questions of a batch of rows: as many at once as the server takes, each answer kept before it counts.
//!
//! One thread decides; a thread for each request in flight waits for its reply. A request's place is free for the next one
//! only when its answer is on the disk, so that a process that is killed loses at most those in flight.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use trommel_engine::node::{Claim, prelude::*};
use trommel_engine::table::Digest;

use super::answer::Answer;
use super::asker::{Asker, pause_of_row};
use super::budget::Tokens;
use super::limiter::Rates;
use super::reply::{Failure, Fault, Reply};

/// Another node or process asks the same question; look again after this.
const ASKED_ELSEWHERE: Duration = Duration::from_millis(100);

/// The longest sleep without a look at whether the run is to stop.
const NAP: Duration = Duration::from_millis(100);

/// How long a run that is to stop waits for answers on the way.
const LAST_CALL: Duration = Duration::from_millis(1200);

/// A request's thread does little.
const STACK: usize = 512 << 10;

/// A request that may be sent.
pub(super) struct Question {
    pub body: String,
    pub digest: Digest,
    pub guess: Tokens,
}

/// What became of a row: nothing to ask, what the model said, or why there is no answer.
pub(super) type Outcome = Option<Result<String, String>>;

/// Makes the question of a row; none where there is nothing to ask. `Err` says why it cannot be made.
pub(super) type Questions<'a> = &'a dyn Fn(usize) -> Result<Option<Question>, String>;

#[derive(Clone, Copy)]
struct Job {
    row: usize,
    /// From 1.
    attempt: u32,
}

struct Flight {
    job: Job,
    digest: Digest,
    guess: Tokens,
    started: Instant,
    /// Held until the answer is kept.
    _claim: Claim,
}

/// The state of one batch.
pub(super) struct Round<'a, 'c> {
    asker: &'a mut Asker,
    questions: Questions<'a>,
    context: &'a Context<'c>,
    queue: VecDeque<Job>,
    later: Vec<(Instant, Job)>,
    flights: HashMap<usize, Flight>,
    outcomes: HashMap<usize, Outcome>,
    sender: Sender<(usize, Reply, Rates)>,
    receiver: Receiver<(usize, Reply, Rates)>,
    /// Enough may be spent with what is in flight: wait for a reply.
    held: bool,
    /// Nothing more is sent: every request would fail, or enough was spent.
    stop: Option<(NodeError, Duration)>,
}

impl<'a, 'c> Round<'a, 'c> {
    pub(super) fn new(
        asker: &'a mut Asker,
        rows: &[usize],
        questions: Questions<'a>,
        context: &'a Context<'c>,
    ) -> Self {
        let (sender, receiver) = channel();
        let jobs = rows.iter().map(|&row| Job { row, attempt: 1 });
        Self {
            asker,
            questions,
            context,
            queue: jobs.collect(),
            later: Vec::new(),
            flights: HashMap::new(),
            outcomes: HashMap::new(),
            sender,
            receiver,
            held: false,
            stop: None,
        }
    }

    /// Asks until every row has an outcome.
    pub(super) fn run(mut self) -> Result<HashMap<usize, Outcome>, NodeError> {
        loop {
            if self.context.cancel.load(Ordering::Relaxed) {
                self.land(LAST_CALL)?;
                return Err(NodeError::cancelled());
            }
            self.send()?;
            if let Some((error, patience)) = self.stop.take() {
                self.land(patience)?;
                self.context.check_cancelled()?;
                return Err(error);
            }
            if self.flights.is_empty() && self.queue.is_empty() && self.later.is_empty() {
                return Ok(self.outcomes);
            }
            self.receive(self.nap())?;
            self.asker.tell_progress(self.context);
        }
    }

    /// Sends what may be sent now.
    fn send(&mut self) -> Result<(), NodeError> {
        let cancel = self.context.cancel;
        let go_on = |round: &Self| round.stop.is_none() && !round.held && round.asker.may_send();
        while go_on(self) && !cancel.load(Ordering::Relaxed) {
            let Some(job) = self.next() else { break };
            let question = match (self.questions)(job.row) {
                Ok(Some(question)) => question,
                Ok(None) => {
                    self.end(job.row, None);
                    continue;
                }
                Err(reason) => {
                    self.end(job.row, Some(Err(reason)));
                    continue;
                }
            };
            if self.know(job.row, question.digest)? {
                continue;
            }
            if let Some(why) = self.asker.budget.refuses(question.guess) {
                self.queue.push_front(job);
                // What is in flight may take less than was thought.
                self.held = true;
                if self.flights.is_empty() {
                    self.stop = Some((self.asker.spent(&why), Duration::ZERO));
                }
                break;
            }
            let Some(claim) = self.context.answers.claim(question.digest)? else {
                self.later.push((Instant::now() + ASKED_ELSEWHERE, job));
                continue;
            };
            if !self.know(job.row, question.digest)? {
                self.start(job, question, claim)?;
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Job> {
        let now = Instant::now();
        match self.later.iter().position(|(when, _)| *when <= now) {
            Some(due) => Some(self.later.swap_remove(due).1),
            None => self.queue.pop_front(),
        }
    }

    /// Takes the answer from those that are kept, if it is one of them.
    fn know(&mut self, row: usize, question: Digest) -> Result<bool, NodeError> {
        let Some(line) = self.context.answers.get(question)? else {
            return Ok(false);
        };
        let answer = serde_json::from_str(&line)
            .map_err(|e| e.to_string())
            .and_then(|completion| Answer::of(&completion));
        let Ok(answer) = answer else {
            return Ok(false);
        };
        self.asker.tally.known += 1;
        self.end(row, Some(answer.into_text()));
        Ok(true)
    }

    fn start(&mut self, job: Job, question: Question, claim: Claim) -> Result<(), NodeError> {
        let (client, sender) = (self.asker.client.clone(), self.sender.clone());
        let (row, body) = (job.row, question.body);
        // The thread may outlive a run that is cancelled; then nobody hears of the reply.
        std::thread::Builder::new()
            .name("judge".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let (reply, rates) = client.ask(&body);
                let _ = sender.send((row, reply, rates));
            })
            .map_err(|e| NodeError::new(format!("cannot start a thread: {e}")))?;
        let now = Instant::now();
        self.asker.limiter.start(now, question.guess.all());
        self.asker.budget.sent(question.guess);
        let flight = Flight {
            job,
            digest: question.digest,
            guess: question.guess,
            started: now,
            _claim: claim,
        };
        self.flights.insert(row, flight);
        Ok(())
    }

    /// Waits for replies; keeps the answers among all that are there, and only then counts them.
    fn receive(&mut self, nap: Duration) -> Result<(), NodeError> {
        let first = match self.receiver.recv_timeout(nap) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
        };
        self.held = false;
        let replies: Vec<_> = [first]
            .into_iter()
            .chain(self.receiver.try_iter())
            .collect();
        let mut answers = Vec::new();
        for (row, reply, _) in &replies {
            if let (Reply::Answer(line, _), Some(flight)) = (reply, self.flights.get(row)) {
                answers.push((flight.digest, line.clone()));
            }
        }
        self.context.answers.put(&answers)?;
        for (row, reply, rates) in replies {
            if let Some(flight) = self.flights.remove(&row) {
                self.settle(&flight, reply, &rates);
            }
        }
        Ok(())
    }

    fn settle(&mut self, flight: &Flight, reply: Reply, rates: &Rates) {
        let now = Instant::now();
        let Flight {
            job,
            guess,
            started,
            ..
        } = *flight;
        match reply {
            Reply::Answer(_, answer) => {
                self.asker.answered(now, guess, &answer);
                self.end(job.row, Some(answer.into_text()));
            }
            Reply::Failure(failure) => {
                self.asker.budget.ended(guess, None);
                self.failed(job, started, now, failure);
            }
        }
        self.asker.limiter.told(now, rates, guess.all());
    }

    fn failed(&mut self, job: Job, started: Instant, now: Instant, failure: Failure) {
        let Failure { reason, fault } = failure;
        let limiter = &mut self.asker.limiter;
        match fault {
            Fault::Passing { load, retry_after } => {
                limiter.failed(started, now, load, retry_after);
                let silent = self.asker.fails(now, &reason);
                self.stop_for(silent);
                self.asker.tell_trouble(&reason, self.context);
                if job.attempt < self.asker.attempts {
                    let when = now + pause_of_row(job.row, job.attempt);
                    let attempt = job.attempt + 1;
                    self.later.push((
                        when,
                        Job {
                            row: job.row,
                            attempt,
                        },
                    ));
                    return;
                }
                let given_up = self.asker.gives_up(&reason);
                let reason = format!("{reason} (after {} attempts)", job.attempt);
                self.end(job.row, Some(Err(reason)));
                self.stop_for(given_up);
            }
            Fault::Row { of_content } => {
                limiter.ended();
                let refused = self.asker.refused(&reason, of_content);
                self.end(job.row, Some(Err(reason)));
                self.stop_for(refused);
            }
            Fault::Node { help } => {
                limiter.ended();
                let error = NodeError::new(format!("{}: {reason}", self.asker.client.url()));
                self.stop_for(Some(error.help(help)));
            }
        }
    }

    /// The first reason counts.
    fn stop_for(&mut self, error: Option<NodeError>) {
        if let Some(error) = error {
            self.stop.get_or_insert((error, LAST_CALL));
        }
    }

    fn end(&mut self, row: usize, outcome: Outcome) {
        self.asker.tally.rows += 1;
        self.outcomes.insert(row, outcome);
    }

    /// Until something may have changed; a reply ends it early.
    fn nap(&self) -> Duration {
        if self.held || !self.asker.limiter.has_room() {
            return NAP;
        }
        let now = Instant::now();
        let mut nap = NAP;
        if self.queue.is_empty() {
            let due = self.later.iter().map(|(when, _)| *when).min();
            nap = due.map_or(nap, |due| nap.min(due.saturating_duration_since(now)));
        } else {
            nap = Duration::ZERO;
        }
        let wait = self.asker.limiter.wait(now).min(NAP);
        nap.max(wait).max(Duration::from_millis(1))
    }

    /// Keeps the answers that still arrive; waits for them, but not for long.
    fn land(&mut self, patience: Duration) -> Result<(), NodeError> {
        let end = Instant::now() + patience;
        while !self.flights.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.receive(left.min(NAP))?;
        }
        Ok(())
    }
}

/// Keeps requests of all rows of one asker going.
pub(super) fn ask(
    asker: &mut Asker,
    rows: &[usize],
    questions: Questions<'_>,
    context: &Context<'_>,
) -> Result<HashMap<usize, Outcome>, NodeError> {
    Round::new(asker, rows, questions, context).run()
}
