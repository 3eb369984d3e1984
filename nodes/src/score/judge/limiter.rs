//! How many requests may be in flight, and when the next one may start.
//!
//! The number grows by one for each answer until the server first complains, then by one for each round of answers. It is
//! halved when the server says that there are too many (429), and when half of the requests fail in ways that may come of it
//! (5xx, time-outs, cut connections): some always do. What the server says (Retry-After, rate headers) is obeyed by all requests.
//! Requests and tokens a minute are spaced evenly, so that no minute has more of them.

use std::time::{Duration, Instant};

use super::reply::Load;

/// In flight at the beginning.
const FIRST: f64 = 4.0;

/// The first pause after a 429 without a Retry-After; it doubles with each further one until there is an answer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Weight of the last request in the share of requests that fail, and the share that is too much.
const LAST: f64 = 0.1;
const TOO_MUCH: f64 = 0.5;

const MINUTE: f64 = 60.0;

/// What a server says of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub requests: Rate,
    pub tokens: Rate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    pub remaining: Option<f64>,
    /// Until it is full again.
    pub reset: Option<Duration>,
}

pub(super) struct Limiter {
    ceiling: f64,
    limit: f64,
    in_flight: usize,
    /// No complaint yet.
    fresh: bool,
    last_cut: Option<Instant>,
    /// The share of requests that failed of late.
    trouble: f64,
    pause: Duration,
    /// Nothing starts before.
    not_before: Instant,
    /// Seconds between requests, and for each token.
    request_gap: f64,
    token_gap: f64,
}

impl Limiter {
    pub(super) fn new(
        concurrency: u32,
        requests_per_minute: Option<f64>,
        tokens_per_minute: Option<f64>,
        now: Instant,
    ) -> Self {
        let ceiling = f64::from(concurrency.max(1));
        let gap = |rate: Option<f64>| rate.map_or(0.0, |rate| MINUTE / rate);
        Self {
            ceiling,
            limit: FIRST.min(ceiling),
            in_flight: 0,
            fresh: true,
            last_cut: None,
            trouble: 0.0,
            pause: FIRST_PAUSE,
            not_before: now,
            request_gap: gap(requests_per_minute),
            token_gap: gap(tokens_per_minute),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether there is room for one more; it may still have to wait.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.limit as usize
    }

    /// How long the next request has to wait; zero if not at all.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.not_before.saturating_duration_since(now)
    }

    /// A request of about so many tokens starts.
    pub(super) fn start(&mut self, now: Instant, tokens: u64) {
        self.in_flight += 1;
        let gap = self.request_gap.max(self.token_gap * tokens as f64);
        self.put_off(now, Duration::from_secs_f64(gap));
    }

    /// It was answered, and took so many tokens rather than those that were thought of.
    pub(super) fn answered(&mut self, now: Instant, thought: u64, took: u64) {
        self.ended();
        self.pause = FIRST_PAUSE;
        self.trouble *= 1.0 - LAST;
        let more = if self.fresh { 1.0 } else { 1.0 / self.limit };
        self.limit = (self.limit + more).min(self.ceiling);
        let unforeseen = self.token_gap * took.saturating_sub(thought) as f64;
        if unforeseen > 0.0 {
            let wait = self.wait(now).as_secs_f64() + unforeseen;
            self.put_off(now, Duration::from_secs_f64(wait));
        }
    }

    /// It failed for a reason that has nothing to do with how many there are.
    pub(super) fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// It failed, maybe as there are too many. Requests that started before the last cut say nothing new.
    pub(super) fn failed(
        &mut self,
        started: Instant,
        now: Instant,
        load: Load,
        retry_after: Option<Duration>,
    ) {
        self.ended();
        if let Some(wait) = retry_after {
            self.put_off(now, wait);
        }
        match load {
            Load::Any => return,
            Load::High => {
                self.trouble += LAST * (1.0 - self.trouble);
                if self.trouble <= TOO_MUCH {
                    return;
                }
            }
            Load::TooHigh => {}
        }
        if self.last_cut.is_some_and(|cut| started <= cut) {
            return;
        }
        self.fresh = false;
        self.last_cut = Some(now);
        self.limit = (self.limit / 2.0).max(1.0);
        if load == Load::TooHigh && retry_after.is_none() {
            self.put_off(now, self.pause);
            self.pause = (self.pause * 2).min(LAST_PAUSE);
        }
    }

    /// The next request would be one too many.
    pub(super) fn told(&mut self, now: Instant, rates: &Rates, next_tokens: u64) {
        let waits = [(rates.requests, 1.0), (rates.tokens, next_tokens as f64)];
        for (rate, need) in waits {
            if let (Some(remaining), Some(reset)) = (rate.remaining, rate.reset)
                && remaining < need
            {
                self.put_off(now, reset);
            }
        }
    }

    fn put_off(&mut self, now: Instant, wait: Duration) {
        self.not_before = self.not_before.max(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(concurrency: u32) -> (Limiter, Instant) {
        let now = Instant::now();
        (Limiter::new(concurrency, None, None, now), now)
    }

    fn fill(limiter: &mut Limiter, now: Instant) -> usize {
        while limiter.has_room() {
            limiter.start(now, 100);
        }
        limiter.in_flight()
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn grows_to_the_ceiling_and_halves_once_for_a_round_of_complaints() {
        let (mut limiter, start) = limiter(32);
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let count = fill(&mut limiter, start);
            rounds.push(count);
            (0..count).for_each(|_| limiter.answered(start, 100, 100));
        }
        assert_eq!(rounds, [4, 8, 16, 32, 32]);
        let count = fill(&mut limiter, start);
        let now = start + seconds(1.0);
        (0..count).for_each(|_| limiter.failed(start, now, Load::TooHigh, None));
        assert_eq!(limiter.wait(now), FIRST_PAUSE);
        let later = now + FIRST_PAUSE;
        assert_eq!(limiter.wait(later), Duration::ZERO);
        assert_eq!(fill(&mut limiter, later), 16);
        (0..16).for_each(|_| limiter.answered(later, 100, 100));
        assert_eq!(
            fill(&mut limiter, later),
            16,
            "by less than one for a round, as each adds its part"
        );
        (0..16).for_each(|_| limiter.answered(later, 100, 100));
        assert_eq!(fill(&mut limiter, later), 17);
    }

    #[test]
    fn pauses_double_and_the_number_stays_above_zero() {
        let (mut limiter, mut now) = limiter(8);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            now += seconds(100.0);
            limiter.start(now, 1);
            now += seconds(0.1);
            limiter.failed(now, now, Load::TooHigh, None);
            pauses.push(limiter.wait(now).as_secs_f64());
            assert!(limiter.has_room());
        }
        assert_eq!(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]);
    }

    #[test]
    fn some_faults_are_nothing_and_many_halve_the_number() {
        let (mut limiter, mut now) = limiter(16);
        let mut most = Vec::new();
        // Every fifth request fails, then four of five.
        for faults in [1, 4] {
            for number in 0..200 {
                limiter.start(now, 1);
                let started = now;
                now += seconds(0.1);
                if number % 5 < faults {
                    limiter.failed(started, now, Load::High, None);
                } else {
                    limiter.answered(now, 1, 1);
                }
                assert_eq!(limiter.wait(now), Duration::ZERO);
            }
            most.push(fill(&mut limiter, now));
            while limiter.in_flight() > 0 {
                limiter.ended();
            }
        }
        assert_eq!(most[0], 16);
        assert!(most[1] <= 2, "{most:?}");
        limiter.start(now, 1);
        limiter.failed(now, now, Load::Any, None);
        assert!(limiter.has_room());
    }

    #[test]
    fn what_the_server_says_holds_for_all() {
        let (mut limiter, now) = limiter(8);
        fill(&mut limiter, now);
        limiter.failed(now, now, Load::TooHigh, Some(seconds(7.0)));
        assert_eq!(limiter.wait(now + seconds(2.0)), seconds(5.0));
        let rates = Rates {
            requests: Rate {
                remaining: Some(0.0),
                reset: Some(seconds(20.0)),
            },
            tokens: Rate {
                remaining: Some(500.0),
                reset: Some(seconds(50.0)),
            },
        };
        limiter.told(now, &rates, 400);
        assert_eq!(limiter.wait(now), seconds(20.0));
        limiter.told(now, &rates, 501);
        assert_eq!(limiter.wait(now), seconds(50.0));
    }

    #[test]
    fn requests_and_tokens_a_minute_are_spaced() {
        let start = Instant::now();
        let mut limiter = Limiter::new(1000, Some(120.0), None, start);
        limiter.start(start, 1);
        assert_eq!(limiter.wait(start), seconds(0.5));
        let mut limiter = Limiter::new(1000, None, Some(6000.0), start);
        limiter.start(start, 200);
        assert_eq!(limiter.wait(start), seconds(2.0));
        limiter.answered(start, 200, 300);
        assert_eq!(limiter.wait(start), seconds(3.0));
    }
}
