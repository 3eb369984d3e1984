//! A conversation as token ids and labels, and samples as a batch: what `LLaVA`'s `preprocess` and its collator make.

use crate::labels::Conversation;
use crate::template::{IMAGE, Template, Turn, arranged};
use crate::{LlamaTokenizer, TextError};

/// Stands in the ids where the patch features of the image go.
pub const IMAGE_TOKEN: i64 = -200;
/// The label of a position that is not learnt.
pub const IGNORE: i64 = -100;

/// The token ids of one conversation and which of them are learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Token ids, [`IMAGE_TOKEN`] for the image.
    pub ids: Vec<i64>,
    /// As long as `ids`: the id where it is to be learnt, else [`IGNORE`].
    pub labels: Vec<i64>,
    /// The rounds did not add up to the whole, so nothing is learnt from this sample.
    pub mismatch: bool,
}

/// Tokenizes a conversation; the answers and what ends them are learnt, or the caption in `plain`.
///
/// `has_image` says that the record names an image. Its ids are not cut here: that happens when the patches are in place.
/// Ids of a text-only sample are cut to `max_length`.
///
/// # Errors
/// When the turns are not those of a conversation (see [`Template::prompt`]).
pub fn tokenize_sample(
    tokenizer: &LlamaTokenizer,
    template: Template,
    turns: &[Turn],
    has_image: bool,
    max_length: usize,
) -> Result<Sample, TextError> {
    let turns = arranged(turns, has_image);
    let conversation = Conversation {
        tokenizer,
        turns: &turns,
        has_image,
        max_length,
    };
    match template {
        Template::V0 => conversation.turns_one_by_one(),
        Template::V1 | Template::LlavaLlama2 => conversation.rounds(template),
        Template::Plain => conversation.caption(),
    }
}

/// Samples of one batch, filled up at the right to the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `[rows, len]`, row by row.
    pub ids: Vec<i64>,
    /// `[rows, len]`.
    pub labels: Vec<i64>,
    /// `[rows, len]`: false where the id is the filling one (also where it stands in a text).
    pub mask: Vec<bool>,
    pub rows: usize,
    pub len: usize,
}

/// Puts samples into a batch of at most `max_length` columns, filled with `pad` and [`IGNORE`].
pub fn collate(samples: &[Sample], pad: i64, max_length: usize) -> Batch {
    let longest = samples.iter().map(|s| s.ids.len()).max().unwrap_or(0);
    let len = longest.min(max_length);
    let fill = |row: &[i64], with: i64| {
        let row: Vec<i64> = row.iter().copied().take(len).collect();
        let missing = len - row.len();
        row.into_iter().chain(std::iter::repeat_n(with, missing))
    };
    let ids: Vec<i64> = samples.iter().flat_map(|s| fill(&s.ids, pad)).collect();
    Batch {
        labels: samples
            .iter()
            .flat_map(|s| fill(&s.labels, IGNORE))
            .collect(),
        mask: ids.iter().map(|&id| id != pad).collect(),
        ids,
        rows: samples.len(),
        len,
    }
}

/// Every `<image>` becomes [`IMAGE_TOKEN`]; the texts between are tokenized alone, without a beginning of their own.
pub(crate) fn encode_with_image(
    tokenizer: &LlamaTokenizer,
    text: &str,
) -> Result<Vec<i64>, TextError> {
    let mut ids = Vec::new();
    for (n, chunk) in text.split(IMAGE).enumerate() {
        let chunk = tokenizer.encode(chunk)?;
        if n == 0 {
            ids = chunk;
            continue;
        }
        ids.push(IMAGE_TOKEN);
        let begins = chunk.first() == Some(&tokenizer.bos());
        ids.extend(chunk.into_iter().skip(usize::from(begins)));
    }
    Ok(ids)
}
