//! The measures of `score.text`. What is said of each here is its definition; docs/measures.md repeats it.

use std::cell::OnceCell;

use trommel_engine::node::prelude::*;

use super::super::measures::Value;
use super::repetition::Windows;
use super::turns::Turn;
use super::words::Words;
use super::{characters, language, lengths, repetition, words};

/// What can be measured of a text or of the conversation that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Unicode code points, as Python's `len`; neither bytes nor what the eye takes for one character.
    Chars,
    /// Runs of code points between white space (Unicode `White_Space`). Scripts without spaces have few.
    Words,
    /// Code points of all words over the number of words; null without words.
    MeanWordLength,
    /// Turns `from` human (or user) in `conversations`: how many questions were asked.
    Turns,
    /// Code points of all human turns together, without `<image>` as in the column `text` of load.llava.
    QuestionChars,
    /// Words of all human turns together, without `<image>`.
    QuestionWords,
    /// Code points of all turns `from` gpt (or assistant) together.
    AnswerChars,
    /// Words of all turns `from` gpt (or assistant) together.
    AnswerWords,
    /// ISO 639-3 code (`eng`) of one of 70 languages, and a confidence from 0 to 1 (reliable above 0.9), by whatlang over the
    /// first 1,000 code points. Null for a text without letters. A text of a few words is often taken for another language.
    Language,
    /// Share of the character n-grams that the most frequent ones hold, from 0 to 1: of the √d most frequent of d distinct
    /// n-grams (rounded down) those that occur more than once, by their occurrences, over all occurrences. n is
    /// `char_ngram`. 0 for fewer than n code points. As `character_repetition_filter` of Data-Juicer.
    CharRepetition,
    /// Share of the word n-grams that occur more than once, from 0 to 1. n is `word_ngram`. Words are plain ones: in lower
    /// case, without what is no letter at both ends, and none where nothing is left. 0 for fewer than n words. As
    /// `word_repetition_filter` of Data-Juicer.
    WordRepetition,
    /// Code points that are letters or numbers (Unicode `Alphabetic`, `N`) over all, from 0 to 1; null for an empty
    /// text. On ASCII as `alphanumeric_filter` of Data-Juicer.
    AlphanumericRatio,
    /// Code points that are no letters (not Unicode `Alphabetic`: marks, digits, white space, emoji) over all, from 0 to 1;
    /// null for an empty text. On printable ASCII as `special_characters_filter` of Data-Juicer, whose list of others differs.
    SpecialRatio,
    /// Code points that are numbers (Unicode `N`) over all, from 0 to 1; null for an empty text.
    DigitRatio,
    /// Of the letters (Unicode `Alphabetic`) those in upper case (`Uppercase`), from 0 to 1; null without letters.
    UppercaseRatio,
    /// Of the plain words those among 192 English function words, from 0 to 1; null without words. Running English
    /// is above 0.3; keywords, code and other languages are below.
    StopwordRatio,
    /// Shannon entropy of the code points in bits, 0 or more; null for an empty text. English is near 4.2.
    CharEntropy,
    /// Shannon entropy of the plain words in bits, 0 or more; null without words.
    WordEntropy,
    /// Distinct plain words over plain words (type-token ratio), above 0 and up to 1; null without words. Longer
    /// texts have lower ratios.
    LexicalDiversity,
}

/// How long the n-grams of the repetitions are.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    pub(super) char_ngram: usize,
    pub(super) word_ngram: usize,
}

/// One row, as far as it has been read.
pub(super) struct Sample<'a> {
    pub(super) text: Option<&'a str>,
    pub(super) turns: Option<Vec<Turn<'a>>>,
    words: OnceCell<Words>,
}

impl<'a> Sample<'a> {
    pub(super) fn new(text: Option<&'a str>, turns: Option<Vec<Turn<'a>>>) -> Self {
        Self {
            text,
            turns,
            words: OnceCell::new(),
        }
    }
}

impl Measure {
    /// Whether it looks at the turns of the conversation; all others look at the text.
    pub(super) fn is_of_turns(self) -> bool {
        matches!(
            self,
            Self::Turns
                | Self::QuestionChars
                | Self::QuestionWords
                | Self::AnswerChars
                | Self::AnswerWords
        )
    }

    pub(super) fn columns(self) -> &'static [(&'static str, ColumnType)] {
        use ColumnType::{F32, Text, U32};
        match self {
            Self::Chars => &[("text_chars", U32)],
            Self::Words => &[("text_words", U32)],
            Self::MeanWordLength => &[("text_mean_word_length", F32)],
            Self::Turns => &[("text_turns", U32)],
            Self::QuestionChars => &[("text_question_chars", U32)],
            Self::QuestionWords => &[("text_question_words", U32)],
            Self::AnswerChars => &[("text_answer_chars", U32)],
            Self::AnswerWords => &[("text_answer_words", U32)],
            Self::Language => &[("text_language", Text), ("text_language_confidence", F32)],
            Self::CharRepetition => &[("text_char_repetition", F32)],
            Self::WordRepetition => &[("text_word_repetition", F32)],
            Self::AlphanumericRatio => &[("text_alphanumeric_ratio", F32)],
            Self::SpecialRatio => &[("text_special_ratio", F32)],
            Self::DigitRatio => &[("text_digit_ratio", F32)],
            Self::UppercaseRatio => &[("text_uppercase_ratio", F32)],
            Self::StopwordRatio => &[("text_stopword_ratio", F32)],
            Self::CharEntropy => &[("text_char_entropy", F32)],
            Self::WordEntropy => &[("text_word_entropy", F32)],
            Self::LexicalDiversity => &[("text_lexical_diversity", F32)],
        }
    }

    /// Adds a value for each of the columns: none where the row has no text, or no conversation.
    pub(super) fn measure(
        self,
        sample: &Sample<'_>,
        lengths: Lengths,
        windows: &mut Windows,
        values: &mut Vec<Value>,
    ) {
        if self.is_of_turns() {
            let value = sample.turns.as_deref().map(|turns| self.of_turns(turns));
            values.push(value.map_or(Value::None, Value::count));
            return;
        }
        let Some(text) = sample.text else {
            values.extend(self.columns().iter().map(|_| Value::None));
            return;
        };
        let plain = || sample.words.get_or_init(|| Words::of(text));
        let number = match self {
            Self::Chars => return values.push(Value::count(lengths::chars(text))),
            Self::Words => return values.push(Value::count(lengths::words(text))),
            Self::Language => return values.extend(language::language(text)),
            Self::MeanWordLength => lengths::mean_word_length(text),
            Self::CharRepetition => {
                Some(repetition::of_characters(text, lengths.char_ngram, windows))
            }
            Self::WordRepetition => {
                Some(repetition::of_words(plain(), lengths.word_ngram, windows))
            }
            Self::AlphanumericRatio => characters::alphanumeric_ratio(text),
            Self::SpecialRatio => characters::special_ratio(text),
            Self::DigitRatio => characters::digit_ratio(text),
            Self::UppercaseRatio => characters::uppercase_ratio(text),
            Self::StopwordRatio => words::stopword_ratio(text),
            Self::CharEntropy => characters::char_entropy(text),
            Self::WordEntropy => words::word_entropy(plain()),
            Self::LexicalDiversity => words::lexical_diversity(plain()),
            Self::Turns
            | Self::QuestionChars
            | Self::QuestionWords
            | Self::AnswerChars
            | Self::AnswerWords => None,
        };
        values.push(Value::number(number));
    }

    fn of_turns(self, turns: &[Turn<'_>]) -> usize {
        match self {
            Self::QuestionChars => lengths::of_questions(turns, lengths::chars),
            Self::QuestionWords => lengths::of_questions(turns, lengths::words),
            Self::AnswerChars => lengths::of_answers(turns, lengths::chars),
            Self::AnswerWords => lengths::of_answers(turns, lengths::words),
            _ => lengths::turns(turns),
        }
    }
}
