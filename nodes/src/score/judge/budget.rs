//! What a run may send and spend, and what it has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A million tokens.
const MILLION: f64 = 1e6;

/// An image takes about so many tokens: of most models some hundreds to two thousand.
const IMAGE_TOKENS: u64 = 1000;

/// Prices of a million tokens, in any currency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of what is sent.
    #[schemars(range(min = 0))]
    pub input: f64,
    /// Of what is answered.
    #[schemars(range(min = 0))]
    pub output: f64,
}

impl Price {
    pub(super) fn of(self, tokens: Tokens) -> f64 {
        (tokens.input as f64 * self.input + tokens.output as f64 * self.output) / MILLION
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tokens {
    pub input: u64,
    pub output: u64,
}

impl Tokens {
    /// A guess: four bytes of text are about one token.
    pub(super) fn guess(text_bytes: usize, images: u64, max_tokens: u64) -> Self {
        Self {
            input: text_bytes as u64 / 4 + 8 + images * IMAGE_TOKENS,
            output: max_tokens,
        }
    }

    pub(super) fn all(self) -> u64 {
        self.input + self.output
    }

    pub(super) fn add(&mut self, more: Self) {
        self.input += more.input;
        self.output += more.output;
    }

    fn less(&mut self, fewer: Self) {
        self.input = self.input.saturating_sub(fewer.input);
        self.output = self.output.saturating_sub(fewer.output);
    }
}

/// Counts what is sent, and says when that is enough.
pub(super) struct Budget {
    max_requests: Option<u64>,
    max_cost: Option<f64>,
    price: Option<Price>,
    pub requests: u64,
    /// Of answers.
    pub used: Tokens,
    /// Guessed, of those answers and of requests in flight.
    guessed: Tokens,
    in_flight: Tokens,
}

impl Budget {
    pub(super) fn new(
        max_requests: Option<u64>,
        max_cost: Option<f64>,
        price: Option<Price>,
    ) -> Self {
        Self {
            max_requests,
            max_cost,
            price,
            requests: 0,
            used: Tokens::default(),
            guessed: Tokens::default(),
            in_flight: Tokens::default(),
        }
    }

    /// Why one more request of this size is too much.
    pub(super) fn refuses(&self, guess: Tokens) -> Option<String> {
        if let Some(most) = self.max_requests.filter(|most| self.requests >= *most) {
            return Some(format!(
                "this run may send {most} requests (`max_requests`)"
            ));
        }
        let (most, price) = (self.max_cost?, self.price?);
        let mut ahead = self.in_flight;
        ahead.add(guess);
        // Guesses have been wrong in one direction; they are hardly better from now on.
        let (used, guessed) = (price.of(self.used), price.of(self.guessed));
        let factor = if guessed > 0.0 {
            (used / guessed).max(1.0)
        } else {
            1.0
        };
        (used + price.of(ahead) * factor > most)
            .then(|| format!("this run may cost {most} (`max_cost`)"))
    }

    pub(super) fn sent(&mut self, guess: Tokens) {
        self.requests += 1;
        self.in_flight.add(guess);
    }

    /// A request is over; `used` is what its answer took, if there is one.
    pub(super) fn ended(&mut self, guess: Tokens, used: Option<Tokens>) {
        self.in_flight.less(guess);
        if let Some(used) = used {
            self.used.add(used);
            self.guessed.add(guess);
        }
    }

    pub(super) fn cost(&self) -> Option<f64> {
        self.price.map(|price| price.of(self.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price {
        input: 1.0,
        output: 4.0,
    };

    #[test]
    fn cost_counts_what_is_in_flight_too() {
        let mut budget = Budget::new(None, Some(1.0), Some(PRICE));
        let guess = Tokens {
            input: 200_000,
            output: 50_000,
        };
        assert_eq!(budget.refuses(guess), None);
        budget.sent(guess);
        budget.sent(guess);
        assert!(budget.refuses(guess).unwrap().contains("max_cost"));
        budget.ended(
            guess,
            Some(Tokens {
                input: 100_000,
                output: 10_000,
            }),
        );
        budget.ended(guess, None);
        assert_eq!(budget.cost(), Some(0.14));
        assert_eq!(budget.refuses(guess), None);
        assert_eq!(budget.requests, 2);
    }

    #[test]
    fn low_guesses_are_learnt_from() {
        let mut budget = Budget::new(None, Some(1.0), Some(PRICE));
        let guess = Tokens {
            input: 100_000,
            output: 0,
        };
        budget.sent(guess);
        budget.ended(
            guess,
            Some(Tokens {
                input: 400_000,
                output: 0,
            }),
        );
        assert_eq!(budget.refuses(guess), None);
        budget.sent(guess);
        assert!(
            budget.refuses(guess).is_some(),
            "0.4 spent, and twice 0.4 to come"
        );
    }

    #[test]
    fn requests_are_counted() {
        let mut budget = Budget::new(Some(2), None, None);
        let none = Tokens::default();
        budget.sent(none);
        assert_eq!(budget.refuses(none), None);
        budget.sent(none);
        assert!(budget.refuses(none).unwrap().contains("2 requests"));
    }
}
