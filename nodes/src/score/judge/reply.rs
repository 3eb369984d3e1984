//! What a server's reply means: an answer, a row that cannot be answered, a fault that would meet every row, or a passing one.

use std::time::{Duration, SystemTime};

use serde_json::Value as Json;

use super::answer::Answer;
use super::headers::{Header, retry_after};

/// A server that says to wait longer than this is left alone: a run is not to stand still for hours without a word.
const PATIENCE: Duration = Duration::from_mins(10);

/// Shown of what a server says.
const SHOWN: usize = 300;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// The completion in one line, and what of it counts.
    Answer(String, Answer),
    Failure(Failure),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub reason: String,
    pub fault: Fault,
}

/// What a fault says of how many requests there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Nothing.
    Any,
    /// There may be too many.
    High,
    /// There are too many: the server asks for a pause.
    TooHigh,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    /// It may pass.
    Passing {
        load: Load,
        retry_after: Option<Duration>,
    },
    /// The same request will fail again; others may not. `of_content`: the server says that it is what was asked.
    Row { of_content: bool },
    /// Every request would fail so.
    Node { help: String },
}

impl Reply {
    pub(super) fn passing(reason: String) -> Self {
        Self::Failure(Failure {
            reason,
            fault: Fault::Passing {
                load: Load::High,
                retry_after: None,
            },
        })
    }

    pub(super) fn row(reason: String, of_content: bool) -> Self {
        Self::Failure(Failure {
            reason,
            fault: Fault::Row { of_content },
        })
    }

    pub(super) fn node(reason: String, help: &str) -> Self {
        Self::Failure(Failure {
            reason,
            fault: Fault::Node { help: help.into() },
        })
    }
}

/// Reads a reply that came whole.
pub(super) fn read(status: u16, header: Header<'_>, body: &[u8], now: SystemTime) -> Reply {
    let json: Option<Json> = serde_json::from_slice(body).ok();
    if !(200..300).contains(&status) {
        let said = Said::of(json.as_ref(), body);
        return failure(status, header, &said, now);
    }
    let Some(json) = json else {
        return Reply::passing(format!("an answer that is no JSON: {}", shown(body)));
    };
    // Some servers send faults of those behind them with status 200.
    if let Some(error) = json.get("error").filter(|error| !error.is_null()) {
        let code = error.get("code").and_then(Json::as_u64).unwrap_or(502);
        let said = Said::of(Some(&json), body);
        return failure(u16::try_from(code).unwrap_or(502), header, &said, now);
    }
    match Answer::of(&json) {
        Ok(answer) => Reply::Answer(json.to_string(), answer),
        Err(why) => Reply::passing(format!(
            "an answer that is no chat completion ({why}): {}",
            shown(body)
        )),
    }
}

/// The words of a failure.
#[derive(Default)]
struct Said {
    message: String,
    code: String,
    /// The key of the request that is at fault.
    param: String,
}

impl Said {
    fn of(json: Option<&Json>, body: &[u8]) -> Self {
        let Some(json) = json else {
            return Self {
                message: shown(body),
                ..Self::default()
            };
        };
        let error = json.get("error").unwrap_or(json);
        let text = |name: &str| error.get(name).and_then(Json::as_str).map(str::to_owned);
        let message = [
            error.as_str().map(str::to_owned),
            text("message"),
            text("detail"),
        ];
        let message = message.into_iter().flatten().next();
        let code = text("code").or_else(|| text("type"));
        Self {
            message: message.map_or_else(|| shown(body), |message| shown(message.as_bytes())),
            code: code.unwrap_or_default(),
            param: text("param").unwrap_or_default(),
        }
    }

    /// About what was asked rather than how.
    fn is_of_content(&self) -> bool {
        let words = format!("{} {}", self.code, self.message).to_lowercase();
        let signs = [
            "content_policy",
            "content policy",
            "content_filter",
            "content filter",
            "content management",
            "moderation",
            "flagged",
            "safety",
            "context_length",
            "context length",
            "maximum context",
            "too long",
            "too large",
        ];
        signs.iter().any(|sign| words.contains(sign))
    }

    /// About a setting that all requests share.
    fn is_of_settings(&self) -> bool {
        let codes = [
            "unsupported_parameter",
            "unsupported_value",
            "unknown_parameter",
            "model_not_found",
            "invalid_model",
        ];
        let shared = !self.param.is_empty() && !self.param.starts_with("messages");
        let message = self.message.to_lowercase();
        let models = ["invalid model", "model not found", "unknown model"];
        let of_model = models.iter().any(|sign| message.contains(sign));
        codes.contains(&self.code.as_str()) || shared || of_model
    }
}

fn failure(status: u16, header: Header<'_>, said: &Said, now: SystemTime) -> Reply {
    let reason = format!("HTTP {status}: {}", said.message);
    match status {
        400..500 if status != 429 && said.is_of_content() => Reply::row(reason, true),
        401 => Reply::node(
            reason,
            "`api_key` is missing or not valid; it is written api_key: ${env:NAME}",
        ),
        402 => Reply::node(reason, "the account has nothing left to pay with"),
        403 => Reply::node(reason, "the key may not use this model or this server"),
        404 => Reply::node(
            reason,
            "look at `model` and `endpoint`: the server has no such model, or no chat completions there",
        ),
        405 => Reply::node(
            reason,
            "look at `endpoint`: the server takes no chat completions there",
        ),
        429 if said.code == "insufficient_quota" => {
            Reply::node(reason, "the account has nothing left to pay with")
        }
        300..400 => {
            let to = header("location").unwrap_or_default();
            Reply::node(
                format!("HTTP {status}: the server sends us on to {to}"),
                "give that address as `endpoint`, if it is right",
            )
        }
        408 | 409 | 425 | 429 | 500.. => match retry_after(header, now) {
            Some(wait) if wait > PATIENCE => Reply::node(
                format!("{reason} (come back in {} min)", wait.as_secs() / 60),
                "run again then; the answers that are there are kept",
            ),
            retry_after => Reply::Failure(Failure {
                reason,
                fault: Fault::Passing {
                    load: match status {
                        409 => Load::Any,
                        429 | 529 => Load::TooHigh,
                        _ => Load::High,
                    },
                    retry_after,
                },
            }),
        },
        _ if said.is_of_settings() => Reply::node(
            reason,
            "a setting that the server or the model does not take; `body: { NAME: null }` leaves one out, `json` says how JSON is asked for",
        ),
        _ => Reply::row(reason, false),
    }
}

/// The beginning of a text, in one line.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)]);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None if words.is_empty() => "(nothing)".to_owned(),
        None => words,
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
