//! Prompt templates: how the turns of a conversation become one text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::whitespace::strip;
use crate::{LlamaTokenizer, TextError};

/// Where the picture stands in a text.
pub(crate) const IMAGE: &str = "<image>";

/// One turn of a conversation, as `LLaVA`'s annotation files write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// `human` or `gpt`.
    pub from: String,
    pub value: String,
}

/// The templates that are known by name, those of `LLaVA`'s `conversation.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// Vicuna before v1.1: `### Human: ...` and `### Assistant: ...`, each on a line of its own.
    V0,
    /// Vicuna v1.1 and later: `USER: ... ASSISTANT: ...</s>`.
    V1,
    /// An image and its caption, nothing else: what `LLaVA`'s projector is pretrained on.
    Plain,
    /// `LLaMA` 2's chats: `[INST] ... [/INST] ... </s>`, with `LLaVA`'s system sentence.
    LlavaLlama2,
}

const NAMES: [(&str, Template); 4] = [
    ("v0", Template::V0),
    ("v1", Template::V1),
    ("plain", Template::Plain),
    ("llava_llama_2", Template::LlavaLlama2),
];

const V0_SYSTEM: &str = "A chat between a curious human and an artificial intelligence assistant. The assistant gives \
                         helpful, detailed, and polite answers to the human's questions.";
const V1_SYSTEM: &str = "A chat between a curious user and an artificial intelligence assistant. The assistant gives \
                         helpful, detailed, and polite answers to the user's questions.";
const LLAMA_2_SYSTEM: &str = "You are a helpful language and vision assistant. You are able to understand the visual \
                              content that the user provides, and assist the user with a variety of tasks using \
                              natural language.";

/// What stands behind an answer in `v1` and `llava_llama_2`.
pub(crate) const AFTER_ANSWER: &str = "</s>";

impl Template {
    /// The whole conversation as one text.
    ///
    /// With an image, every `<image>` in a turn gives way to one at its front, followed by a newline. In `v1` and
    /// `llava_llama_2` a first turn that is not the human's is left out, and an empty value is written as the role and a
    /// colon alone, or not at all. `plain` is the caption behind the image, whoever says it; `v0` takes all turns.
    ///
    /// # Errors
    /// When there is no turn; in `v1` and `llava_llama_2` where one is not from the speaker whose turn it is; where the first
    /// one is empty in `llava_llama_2`; where there are not two, the first with `<image>`, in `plain`.
    pub fn prompt(self, turns: &[Turn], has_image: bool) -> Result<String, TextError> {
        self.text(&arranged(turns, has_image))
    }

    /// The id that fills up batches, which the published program leaves out wherever it stands: the unknown token's. `v0` takes the
    /// tokenizer's own; where there is none, the published program makes one up that no text can hold but by writing `[PAD]`.
    pub fn padding(self, tokenizer: &LlamaTokenizer) -> Option<i64> {
        match self {
            Self::V0 => tokenizer.pad_token(),
            Self::V1 | Self::Plain | Self::LlavaLlama2 => Some(tokenizer.pad()),
        }
    }

    /// The text of turns whose images are in place.
    pub(crate) fn text(self, turns: &[Turn]) -> Result<String, TextError> {
        if turns.is_empty() {
            return Err(TextError::NoTurns);
        }
        match self {
            Self::V0 => Ok(v0_parts(turns).concat() + V0_BEGIN),
            Self::V1 => v1(turns),
            Self::Plain => Ok(format!("{IMAGE}{}\n", caption(turns)?)),
            Self::LlavaLlama2 => llama_2(turns),
        }
    }
}

/// The turns as they are written: with an image, its place is at the front of the turn that shows it.
pub(crate) fn arranged(turns: &[Turn], has_image: bool) -> Vec<Turn> {
    let arrange = |turn: &Turn| Turn {
        from: turn.from.clone(),
        value: if has_image && turn.value.contains(IMAGE) {
            image_to_front(&turn.value)
        } else {
            turn.value.clone()
        },
    };
    turns.iter().map(arrange).collect()
}

const V0_BEGIN: &str = "### ";

/// The system sentence, then every turn as it is written; [`V0_BEGIN`] follows.
pub(crate) fn v0_parts(turns: &[Turn]) -> Vec<String> {
    let turn = |turn: &Turn| {
        let role = match turn.from.to_lowercase().as_str() {
            "human" => "Human",
            "gpt" => "Assistant",
            _ => "unknown",
        };
        format!("{V0_BEGIN}{role}: {}\n", turn.value)
    };
    let system = format!("{V0_SYSTEM}\n\n");
    [system].into_iter().chain(turns.iter().map(turn)).collect()
}

fn v1(turns: &[Turn]) -> Result<String, TextError> {
    let mut text = format!("{V1_SYSTEM} ");
    for (human, value) in exchange(turns)? {
        let (role, after) = if human {
            ("USER:", " ")
        } else {
            ("ASSISTANT:", AFTER_ANSWER)
        };
        text += role;
        if !value.is_empty() {
            text += &format!(" {value}{after}");
        }
    }
    Ok(text)
}

fn llama_2(turns: &[Turn]) -> Result<String, TextError> {
    let turns = exchange(turns)?;
    if turns.first().is_some_and(|(_, value)| value.is_empty()) {
        return Err(TextError::EmptyFirst);
    }
    let mut text = String::new();
    for (n, (human, value)) in turns.into_iter().enumerate() {
        match (n, human) {
            _ if value.is_empty() => {}
            (0, _) => {
                text += &format!("[INST] <<SYS>>\n{LLAMA_2_SYSTEM}\n<</SYS>>\n\n{value} [/INST]");
            }
            (_, true) => text += &format!("<s>[INST] {value} [/INST]"),
            (_, false) => text += &format!(" {value} {AFTER_ANSWER}"),
        }
    }
    Ok(text)
}

/// The turns from the first human one on, human and answer in turn: whether the human speaks, and the words.
fn exchange(turns: &[Turn]) -> Result<Vec<(bool, &str)>, TextError> {
    let first = turns.first().ok_or(TextError::NoTurns)?;
    let skipped = usize::from(speaker(0, first)? != "human");
    let mut exchange = Vec::with_capacity(turns.len());
    for (n, turn) in turns.iter().enumerate().skip(skipped) {
        let human = (n - skipped) % 2 == 0;
        let expected = if human { "human" } else { "gpt" };
        if speaker(n, turn)? != expected {
            return Err(TextError::Order {
                turn: n,
                from: turn.from.clone(),
                expected,
            });
        }
        exchange.push((human, turn.value.as_str()));
    }
    Ok(exchange)
}

/// What is said of the image.
fn caption(turns: &[Turn]) -> Result<&str, TextError> {
    match turns {
        [image, caption] if image.value.contains(IMAGE) => Ok(&caption.value),
        _ => Err(TextError::NoCaption { turns: turns.len() }),
    }
}

impl FromStr for Template {
    type Err = TextError;

    fn from_str(name: &str) -> Result<Self, TextError> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known
            .map(|&(_, template)| template)
            .ok_or_else(|| TextError::Template {
                name: name.into(),
                known: NAMES.map(|(known, _)| known).join(", "),
            })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().find(|(_, template)| template == self);
        f.write_str(named.map_or("", |(name, _)| name))
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
    fn all_turns_are_written_in_v0() {
        let said = [("gpt", "hi"), ("Human", "a"), ("system", "")];
        let text = Template::V0.prompt(&turns(&said), false).unwrap();
        let end = "questions.\n\n### Assistant: hi\n### Human: a\n### unknown: \n### ";
        assert!(text.ends_with(end), "{text:?}");
    }

    #[test]
    fn plain_is_an_image_and_its_caption() {
        let plain = |said: &[(&str, &str)]| Template::Plain.prompt(&turns(said), true);
        let said = [("human", "Describe it.\n<image>"), ("gpt", "a dog")];
        assert_eq!(plain(&said).unwrap(), "<image>a dog\n");
        for said in [&said[..1], &[said[1], said[0]]] {
            let error = plain(said).unwrap_err().to_string();
            assert!(error.contains("an image and its caption"), "{error}");
        }
    }

    #[test]
    fn llama_2_puts_the_system_sentence_into_the_first_turn() {
        let llama_2 = |said: &[(&str, &str)]| Template::LlavaLlama2.prompt(&turns(said), false);
        let said = [("human", "a"), ("gpt", "b"), ("human", ""), ("gpt", "c")];
        let text = llama_2(&said).unwrap();
        assert!(text.starts_with("[INST] <<SYS>>\nYou are"), "{text:?}");
        let end = "language.\n<</SYS>>\n\na [/INST] b </s> c </s>";
        assert!(text.ends_with(end), "{text:?}");
        let error = llama_2(&[("human", ""), ("gpt", "b")]).unwrap_err();
        assert!(matches!(error, TextError::EmptyFirst));
    }

    #[test]
    fn names_go_both_ways() {
        for (name, _) in NAMES {
            assert_eq!(name.parse::<Template>().unwrap().to_string(), name);
        }
        let error = "v2".parse::<Template>().unwrap_err().to_string();
        assert!(
            error.ends_with("known: v0, v1, plain, llava_llama_2"),
            "{error}"
        );
    }
}
