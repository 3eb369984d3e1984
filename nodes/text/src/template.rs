//! Prompt templates: how the turns of a conversation become one text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::TextError;
use crate::whitespace::strip;

/// Where the picture stands in a text.
pub(crate) const IMAGE: &str = "<image>";

/// One turn of a conversation, as `LLaVA`'s annotation files write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// `human` or `gpt`.
    pub from: String,
    pub value: String,
}

/// The templates that are known by name. `v0`, `plain` and `llava_llama_2` of `LLaVA` are not among them yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// Vicuna v1.1 and later: `USER: ... ASSISTANT: ...</s>`.
    V1,
}

/// What a template is made of. Two separators take turns: after a human's value and after an answer.
pub(crate) struct Parts {
    pub(crate) system: &'static str,
    pub(crate) human: &'static str,
    pub(crate) gpt: &'static str,
    pub(crate) after_human: &'static str,
    pub(crate) after_gpt: &'static str,
}

impl Template {
    /// The whole conversation as one text.
    ///
    /// A first turn that is not the human's is left out. With an image, every `<image>` in a turn gives way to one at
    /// its front, followed by a newline. An empty value is written as the role and a colon alone.
    ///
    /// # Errors
    /// When there is no turn, or one is not from the speaker whose turn it is.
    pub fn prompt(self, turns: &[Turn], has_image: bool) -> Result<String, TextError> {
        let parts = self.parts();
        let first = turns.first().ok_or(TextError::NoTurns)?;
        let skipped = usize::from(speaker(0, first)? != "human");
        let mut text = format!("{}{}", parts.system, parts.after_human);
        for (n, turn) in turns.iter().enumerate().skip(skipped) {
            let expected = ["human", "gpt"][(n - skipped) % 2];
            if speaker(n, turn)? != expected {
                return Err(TextError::Order {
                    turn: n,
                    from: turn.from.clone(),
                    expected,
                });
            }
            let (role, separator) = match expected {
                "human" => (parts.human, parts.after_human),
                _ => (parts.gpt, parts.after_gpt),
            };
            let value = if has_image && turn.value.contains(IMAGE) {
                image_to_front(&turn.value)
            } else {
                turn.value.clone()
            };
            text += role;
            text += ":";
            if !value.is_empty() {
                text += " ";
                text += &value;
                text += separator;
            }
        }
        Ok(text)
    }

    pub(crate) fn parts(self) -> Parts {
        match self {
            Self::V1 => Parts {
                system: "A chat between a curious user and an artificial intelligence assistant. The assistant gives \
                         helpful, detailed, and polite answers to the user's questions.",
                human: "USER",
                gpt: "ASSISTANT",
                after_human: " ",
                after_gpt: "</s>",
            },
        }
    }
}

impl FromStr for Template {
    type Err = TextError;

    fn from_str(name: &str) -> Result<Self, TextError> {
        match name {
            "v1" => Ok(Self::V1),
            _ => Err(TextError::Template { name: name.into() }),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V1 => f.write_str("v1"),
        }
    }
}

fn speaker(n: usize, turn: &Turn) -> Result<&str, TextError> {
    match turn.from.as_str() {
        from @ ("human" | "gpt") => Ok(from),
        from => Err(TextError::Speaker {
            turn: n,
            from: from.into(),
        }),
    }
}

fn image_to_front(value: &str) -> String {
    let rest = value.replace(IMAGE, "");
    strip(&format!("{IMAGE}\n{}", strip(&rest))).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(turns: &[(&str, &str)]) -> Vec<Turn> {
        let turn = |&(from, value): &(&str, &str)| Turn {
            from: from.into(),
            value: value.into(),
        };
        turns.iter().map(turn).collect()
    }

    fn after_system(turns_: &[(&str, &str)], has_image: bool) -> String {
        let text = Template::V1.prompt(&turns(turns_), has_image).unwrap();
        text.split_once("questions. ").unwrap().1.to_owned()
    }

    #[test]
    fn the_image_moves_to_the_front_once() {
        let said = [("human", " look <image> here<image>\n"), ("gpt", "yes")];
        let with = "USER: <image>\nlook  here ASSISTANT: yes</s>";
        assert_eq!(after_system(&said, true), with);
        let without = "USER:  look <image> here<image>\n ASSISTANT: yes</s>";
        assert_eq!(after_system(&said, false), without);
        assert_eq!(
            after_system(&[("human", "<image>")], true),
            "USER: <image> "
        );
    }

    #[test]
    fn a_first_answer_is_left_out_and_an_empty_one_has_no_separator() {
        let said = [("gpt", "hi"), ("human", "a"), ("gpt", ""), ("human", "b")];
        assert_eq!(after_system(&said, false), "USER: a ASSISTANT:USER: b ");
    }

    #[test]
    fn wrong_speakers_are_named() {
        let error = |said| Template::V1.prompt(&turns(said), false).unwrap_err();
        assert!(matches!(error(&[]), TextError::NoTurns));
        let twice = error(&[("human", "a"), ("human", "b")]).to_string();
        assert_eq!(
            twice,
            "turn 1 is from \"human\", but it is the turn of \"gpt\""
        );
        let system = error(&[("system", "a")]).to_string();
        assert!(system.starts_with("turn 0 is from \"system\""), "{system}");
    }

    #[test]
    fn names_go_both_ways() {
        assert_eq!("v1".parse::<Template>().unwrap().to_string(), "v1");
        assert!("v2".parse::<Template>().is_err());
    }
}
