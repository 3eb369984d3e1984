//! A chat completion, as servers give it and as it is kept.

use serde_json::Value as Json;

/// What of a chat completion counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// What the model said; a refusal's words where it refused.
    pub text: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// The server's filter has cut the answer off, or taken it away.
    pub filtered: bool,
}

impl Answer {
    /// `Err` says why this is no chat completion.
    pub(super) fn of(completion: &Json) -> Result<Self, String> {
        let choice = completion
            .pointer("/choices/0")
            .ok_or("it has no `choices`")?;
        let message = choice.get("message").ok_or("its choice has no `message`")?;
        let text = match message.get("content") {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Array(parts)) => parts
                .iter()
                .filter_map(|part| part.get("text").and_then(Json::as_str))
                .collect(),
            _ => {
                let refusal = message.get("refusal").and_then(Json::as_str);
                refusal.unwrap_or_default().to_owned()
            }
        };
        let tokens = |name: &str| {
            let count = completion.get("usage").and_then(|usage| usage.get(name));
            count.and_then(Json::as_u64).unwrap_or(0)
        };
        let reason = choice.get("finish_reason").and_then(Json::as_str);
        Ok(Self {
            text,
            input_tokens: tokens("prompt_tokens"),
            output_tokens: tokens("completion_tokens"),
            filtered: reason == Some("content_filter"),
        })
    }

    /// What the model said, or why that is no answer.
    pub(super) fn into_text(self) -> Result<String, String> {
        if self.filtered {
            return Err("the server's content filter stopped the answer".to_owned());
        }
        Ok(self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with_message(message: &Json, reason: &str) -> Json {
        json!({
            "id": "chatcmpl-1",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 3},
        })
    }

    #[test]
    fn the_text_and_the_tokens_count() {
        let text = |message: Json| Answer::of(&with_message(&message, "stop")).unwrap().text;
        assert_eq!(text(json!({"content": "8"})), "8");
        assert_eq!(
            text(json!({"content": [{"type": "text", "text": "8"}, {"type": "x"}]})),
            "8"
        );
        assert_eq!(
            text(json!({"content": null, "refusal": "I cannot"})),
            "I cannot"
        );
        assert_eq!(text(json!({})), "");
        let answer = Answer::of(&with_message(&json!({"content": "8"}), "length")).unwrap();
        assert_eq!((answer.input_tokens, answer.output_tokens), (12, 3));
        assert_eq!(answer.into_text(), Ok("8".into()));
    }

    #[test]
    fn what_is_no_answer_says_so() {
        let filtered = Answer::of(&with_message(&json!({"content": ""}), "content_filter"));
        assert!(
            filtered
                .unwrap()
                .into_text()
                .unwrap_err()
                .contains("filter")
        );
        for other in [
            json!({}),
            json!([]),
            json!({"choices": []}),
            json!({"choices": [{}]}),
        ] {
            assert!(Answer::of(&other).is_err(), "{other}");
        }
    }
}
