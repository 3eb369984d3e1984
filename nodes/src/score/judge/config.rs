//! The judge's configuration, and what of it makes no sense.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use trommel_engine::node::prelude::*;

use super::budget::Price;
use super::client::is_from_environment;
use super::prompt;

/// How a mark is read out of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parse {
    /// The first number from 0 to 10 that stands by itself: `8 / 10`, `**8**`, `Score:9`.
    #[default]
    Number,
    /// As the published program: of the first line what stands before the first `/`, of that the last word.
    FirstWord,
}

/// What becomes of a row whose answer has no mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// `judge` is null.
    #[default]
    Null,
    /// `judge` is the mean of all marks; `judge_raw` stays null.
    Mean,
    /// The row has failed (`on_error`).
    Fail,
}

/// How JSON is asked for, where there are dimensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JsonMode {
    /// By a JSON Schema (`response_format` `json_schema`).
    #[default]
    Schema,
    /// As some object (`json_object`).
    Object,
    /// By the prompt alone.
    None,
}

/// How closely an image is looked at; servers have a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    Low,
    High,
    Auto,
}

impl Detail {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
            Self::Auto => "auto",
        }
    }
}

/// A judge: whom to ask, what, and how fast.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows.
    pub input: TableRef,
    /// An OpenAI-compatible server: the address before `/chat/completions`, or all of it.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The name of the model, as the server knows it.
    #[serde(default)]
    pub model: Option<String>,
    /// Sent as `Authorization: Bearer`; written `${env:NAME}`.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// Further headers; values may be `${env:NAME}`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// A minijinja template. In scope are the columns of the row, the fields of a record as `raw.NAME`, and `dimensions`.
    #[serde(default = "prompt")]
    pub prompt: String,
    /// A system message before it.
    #[serde(default)]
    pub system: Option<String>,
    /// Send the row's image along, where it has one.
    #[serde(default)]
    pub vision: bool,
    /// The column of image files.
    #[serde(default = "image")]
    pub image: String,
    /// How closely the image is to be looked at.
    #[serde(default)]
    pub detail: Option<Detail>,
    /// Several marks in one answer, which is JSON then: each gives a column `judge_NAME`, and `judge` is their mean.
    #[serde(default)]
    pub dimensions: Vec<String>,
    /// How JSON is asked for, where there are dimensions.
    #[serde(default)]
    pub json: JsonMode,
    /// How a mark is read out of an answer.
    #[serde(default)]
    pub parse: Parse,
    /// What becomes of a row whose answer has no mark.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// 0 gives the likeliest answer.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub temperature: f64,
    /// For servers that draw by it.
    #[serde(default = "seed")]
    pub seed: i64,
    /// The most tokens of an answer; 10, and 20 more for each dimension.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// Further keys of the request's body; null leaves one out (`{ seed: null }`).
    #[serde(default)]
    pub body: BTreeMap<String, Json>,
    /// A folder of recorded answers, `UNIQUE_IDX.json`. Rows without one are asked if there is an endpoint, and fail if not.
    #[serde(default)]
    pub responses: Option<DataPath>,
    /// The most requests at once; how many there are depends on how the server takes them.
    #[serde(default = "concurrency")]
    #[schemars(range(min = 1))]
    pub concurrency: u32,
    /// The most requests a minute, evenly spaced.
    #[serde(default)]
    pub requests_per_minute: Option<f64>,
    /// The most tokens a minute, in and out.
    #[serde(default)]
    pub tokens_per_minute: Option<f64>,
    /// A run stops when it has sent so many requests.
    #[serde(default)]
    pub max_requests: Option<u64>,
    /// A run stops before it has cost so much; needs `price`.
    #[serde(default)]
    pub max_cost: Option<f64>,
    /// Of a million tokens; `trommel plan` tells what a run will cost.
    #[serde(default)]
    pub price: Option<Price>,
    /// How often a row is asked before it has failed, where the fault may pass.
    #[serde(default = "attempts")]
    #[schemars(range(min = 1))]
    pub attempts: u32,
    /// Seconds until there must be a connection.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: f64,
    /// Seconds until there must be a whole answer.
    #[serde(default = "timeout")]
    pub timeout: f64,
}

fn prompt() -> String {
    prompt::DEFAULT.into()
}

fn image() -> String {
    "image".into()
}

fn seed() -> i64 {
    42
}

fn concurrency() -> u32 {
    16
}

fn attempts() -> u32 {
    8
}

fn connect_timeout() -> f64 {
    10.0
}

fn timeout() -> f64 {
    120.0
}

/// They change how fast and how far a run gets, not what it gives.
pub(super) const SPEED: [&str; 11] = [
    "api_key",
    "headers",
    "concurrency",
    "requests_per_minute",
    "tokens_per_minute",
    "max_requests",
    "max_cost",
    "price",
    "attempts",
    "connect_timeout",
    "timeout",
];

const PATH: &str = "/chat/completions";

/// Numbers that must be more than nothing.
const LONGEST: f64 = 86400.0;

impl Config {
    /// Where requests go.
    pub(super) fn url(&self) -> Option<String> {
        let endpoint = self.endpoint.as_deref()?;
        let (address, query) = match endpoint.split_once('?') {
            Some((address, query)) => (address, format!("?{query}")),
            None => (endpoint, String::new()),
        };
        let address = address.trim_end_matches('/');
        let address = address.strip_suffix(PATH).unwrap_or(address);
        Some(format!("{address}{PATH}{query}"))
    }

    pub(super) fn max_tokens(&self) -> u32 {
        let several = 20 * self.dimensions.len() as u32;
        self.max_tokens.unwrap_or(10 + several)
    }

    /// The column of a dimension.
    pub(super) fn column(name: &str) -> String {
        format!("judge_{name}")
    }

    /// Refuses what decodes but makes no sense.
    pub(super) fn check(&self, contract: &mut Contract) {
        self.check_server(contract);
        self.check_limits(contract);
        let mut seen = BTreeSet::new();
        for name in &self.dimensions {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let taken = ["raw", "response"].contains(&name.as_str());
            if name.is_empty() || !name.chars().all(plain) || taken || !seen.insert(name) {
                contract.refuse(
                    "dimensions",
                    format!("`{name}` cannot be the name of a dimension"),
                    "names are made of letters, digits and `_`, each stands once; `raw` and `response` are columns already",
                );
            }
        }
        if !self.dimensions.is_empty() && self.parse == Parse::FirstWord {
            contract.refuse(
                "parse",
                "with `dimensions` answers are JSON",
                "leave `parse` out",
            );
        }
        for name in ["model", "messages", "stream", "n"] {
            if self.body.contains_key(name) {
                contract.refuse(
                    "body",
                    format!("`{name}` is not for you to set here"),
                    "remove it",
                );
            }
        }
    }

    fn check_server(&self, contract: &mut Contract) {
        match &self.endpoint {
            None if self.responses.is_none() => contract.refuse(
                "input",
                "there is nobody to ask",
                "give `endpoint` and `model`, or `responses`",
            ),
            Some(_) if self.model.is_none() => contract.refuse(
                "endpoint",
                "the server must be told which `model` to ask",
                "give its name",
            ),
            Some(endpoint) => {
                let rest = ["http://", "https://"]
                    .iter()
                    .find_map(|scheme| endpoint.strip_prefix(scheme));
                let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
                if host.is_none_or(|host| host.is_empty() || host.contains('@')) {
                    contract.refuse(
                        "endpoint",
                        "an endpoint is an address like https://api.openai.com/v1",
                        "names and passwords belong into `api_key` or `headers`",
                    );
                }
            }
            None => {}
        }
        if let Some(key) = &self.api_key
            && !is_from_environment(key)
        {
            contract.refuse(
                "api_key",
                "a key does not belong into a file",
                "write `${env:NAME}` and put it into the environment; leave it out where the server wants none",
            );
        }
        for name in self.headers.keys() {
            let token = |c: char| c.is_ascii_alphanumeric() || "-_.!#$%&'*+^`|~".contains(c);
            if name.is_empty() || !name.chars().all(token) {
                contract.refuse(
                    "headers",
                    format!("`{name}` is no name of a header"),
                    "mend it",
                );
            }
        }
    }

    fn check_limits(&self, contract: &mut Contract) {
        let numbers = [
            ("requests_per_minute", self.requests_per_minute),
            ("tokens_per_minute", self.tokens_per_minute),
            ("max_cost", self.max_cost),
            ("connect_timeout", Some(self.connect_timeout)),
            ("timeout", Some(self.timeout)),
            ("concurrency", Some(self.concurrency.into())),
            ("attempts", Some(self.attempts.into())),
            ("max_tokens", self.max_tokens.map(f64::from)),
        ];
        for (key, number) in numbers {
            if number.is_some_and(|number| number <= 0.0 || !number.is_finite()) {
                contract.refuse(key, "must be more than 0", "give another number");
            }
        }
        if self.timeout > LONGEST || self.connect_timeout > LONGEST {
            contract.refuse("timeout", "more than a day", "give less");
        }
        if !self.temperature.is_finite() || self.temperature < 0.0 {
            contract.refuse("temperature", "must be 0 or more", "give another number");
        }
        let price = self.price.map(|price| [price.input, price.output]);
        if price.is_some_and(|both| both.iter().any(|p| !p.is_finite() || *p < 0.0)) {
            contract.refuse("price", "prices are 0 or more", "give other numbers");
        }
        if self.max_cost.is_some() && self.price.is_none() {
            contract.refuse(
                "max_cost",
                "what a run costs is known by `price` only",
                "give `price: { input: .., output: .. }`, of a million tokens",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn endpoints_are_taken_with_and_without_their_path() {
        let url = |endpoint: &str| {
            let config = json!({ "input": "rows", "endpoint": endpoint, "model": "m" });
            let config: Config = serde_json::from_value(config).unwrap();
            config.url().unwrap()
        };
        let whole = "https://a.org/v1/chat/completions";
        for endpoint in ["https://a.org/v1", "https://a.org/v1/", whole] {
            assert_eq!(url(endpoint), whole);
        }
        let azure = "https://a.org/d/gpt/chat/completions?api-version=1";
        assert_eq!(url(azure), azure);
        assert_eq!(url("https://a.org/d/gpt?api-version=1"), azure);
    }
}
