//! How long a text and the turns of its conversation are.

use crate::load::llava::text::without_image;

use super::turns::{Speaker, Turn};

/// Unicode code points, as Python's `len`; not bytes, and not what the eye takes for one character (an emoji may be
/// several).
pub(super) fn chars(text: &str) -> usize {
    text.chars().count()
}

/// What stands between white space (of Unicode). Scripts without spaces have few.
pub(super) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Code points of the words over words; null without words.
pub(super) fn mean_word_length(text: &str) -> Option<f64> {
    let (mut all, mut length) = (0, 0);
    for word in text.split_whitespace() {
        all += 1;
        length += word.chars().count();
    }
    (all > 0).then(|| length as f64 / f64::from(all))
}

/// Turns of the human, which is how many questions were asked.
pub(super) fn turns(turns: &[Turn<'_>]) -> usize {
    by(turns, Speaker::Human).count()
}

/// The length of all human turns together, without `<image>`.
pub(super) fn of_questions(turns: &[Turn<'_>], length: fn(&str) -> usize) -> usize {
    by(turns, Speaker::Human)
        .map(|turn| length(&without_image(turn.value)))
        .sum()
}

/// The length of all turns of the model together.
pub(super) fn of_answers(turns: &[Turn<'_>], length: fn(&str) -> usize) -> usize {
    by(turns, Speaker::Model)
        .map(|turn| length(turn.value))
        .sum()
}

fn by<'t>(turns: &'t [Turn<'t>], speaker: Speaker) -> impl Iterator<Item = &'t Turn<'t>> {
    turns.iter().filter(move |turn| turn.speaker == speaker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(chars("naïve 👩‍🚀"), 9);
        assert_eq!(words(" a\u{a0}b\n c "), 3);
        assert_eq!(words(""), 0);
        assert_eq!(mean_word_length("ab cdé ü"), Some(2.0));
        assert_eq!(mean_word_length(" "), None);
    }

    #[test]
    fn turns_by_hand() {
        let said = [
            (Speaker::Other, "Be brief."),
            (Speaker::Human, "<image>\nWhat is it?"),
            (Speaker::Model, "A cat."),
            (Speaker::Human, "Sure?"),
        ];
        let said = said.map(|(speaker, value)| Turn { speaker, value });
        assert_eq!(turns(&said), 2);
        assert_eq!(of_questions(&said, chars), 11 + 5);
        assert_eq!(of_questions(&said, words), 4);
        assert_eq!(of_answers(&said, chars), 6);
        assert_eq!(of_answers(&said[3..], words), 0);
    }
}
