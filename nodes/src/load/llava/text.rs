//! The text of a sample, as CLIP, `ImageReward` and the judge read it.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::record::Turn;

/// Stands for the image in a human turn.
pub(crate) const IMAGE: &str = "<image>";

/// Turn by turn `USER: ` or `ASSISTANT: `, the turn and one space; the whole without white space at its ends. A human turn
/// that holds `<image>` loses every one of them and the white space at its ends; other turns stay as they are. It is
/// written over `text`, of which the result is a part.
pub fn text<'t>(conversations: &[Turn<'_>], text: &'t mut String) -> &'t str {
    text.clear();
    for (i, turn) in conversations.iter().enumerate() {
        let human = i % 2 == 0;
        text.push_str(if human { "USER: " } else { "ASSISTANT: " });
        if human {
            text.push_str(&without_image(&turn.value));
        } else {
            text.push_str(&turn.value);
        }
        text.push(' ');
    }
    strip(text)
}

/// What a human turn says: where it holds `<image>`, without every one of them and the white space at its ends.
pub(crate) fn without_image(turn: &str) -> Cow<'_, str> {
    static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(IMAGE));
    if FINDER.find(turn.as_bytes()).is_some() {
        return Cow::Owned(strip(&turn.replace(IMAGE, "")).to_owned());
    }
    Cow::Borrowed(turn)
}

/// Python's `str.strip()`: Unicode white space, and the four separators U+001C to U+001F that Unicode does not count.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> String {
        let turns: Vec<Turn<'_>> = values
            .iter()
            .enumerate()
            .map(|(i, value)| Turn {
                from: ["human", "gpt"][i % 2].into(),
                value: (*value).into(),
            })
            .collect();
        text(&turns, &mut String::new()).to_owned()
    }

    #[test]
    fn image_tokens_go_and_only_their_turns_are_stripped() {
        assert_eq!(
            of(&["<image>\nWhat is it?", " A cat. "]),
            "USER: What is it? ASSISTANT:  A cat."
        );
        assert_eq!(
            of(&[" Hi <image> <image>\u{1f}", ""]),
            "USER: Hi ASSISTANT:"
        );
        assert_eq!(
            of(&["\n Hi \n", "<image>", "Go on"]),
            "USER: \n Hi \n ASSISTANT: <image> USER: Go on"
        );
    }
}
