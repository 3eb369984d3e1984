//! Which tokens of a conversation are learnt. The published program finds them by tokenizing the parts of the text once more
//! and counting. Its quirks decide which samples are learnt, so they are kept.

use crate::sample::{IGNORE, Sample, encode_with_image};
use crate::template::{AFTER_ANSWER, IMAGE, Template, Turn, v0_parts};
use crate::{LlamaTokenizer, TextError};

/// A conversation that is to be tokenized; the images of its turns are in place.
pub(crate) struct Conversation<'a> {
    pub(crate) tokenizer: &'a LlamaTokenizer,
    pub(crate) turns: &'a [Turn],
    pub(crate) has_image: bool,
    pub(crate) max_length: usize,
}

impl Conversation<'_> {
    /// `v0`: all is learnt but the system sentence and, of each human turn, all tokens but the first two.
    pub(crate) fn turns_one_by_one(&self) -> Result<Sample, TextError> {
        let ids = self.ids(&Template::V0.text(self.turns)?)?;
        let mut labels = ids.clone();
        let mut lengths = Vec::new();
        for part in v0_parts(self.turns) {
            let ids = self.ids(&part)?;
            let pad = Template::V0.padding(self.tokenizer);
            // The filling token counts where there is an image.
            let counts = |id: &&i64| self.has_image || Some(**id) != pad;
            lengths.push(ids.iter().filter(counts).count());
        }
        let mut at = lengths.remove(0);
        mask(&mut labels, 0, at);
        for (length, turn) in lengths.into_iter().zip(self.turns) {
            if turn.from == "human" {
                mask(&mut labels, at + 2, at + length);
            }
            at += length;
        }
        Ok(Sample {
            ids,
            labels,
            mismatch: false,
        })
    }

    /// `v1` and `llava_llama_2`: the answers and the `</s>` behind them are learnt. A round that does not split in two ends the
    /// search, and a count that does not come out masks everything, unless the sample is too long to tell.
    pub(crate) fn rounds(&self, template: Template) -> Result<Sample, TextError> {
        let before_answer = match template {
            Template::LlavaLlama2 => "[/INST] ",
            _ => " ASSISTANT: ",
        };
        // Only `v1` knows of the token less that a round behind the first has without the legacy rule.
        let shorter = usize::from(template == Template::V1 && !self.tokenizer.is_legacy());
        let text = template.text(self.turns)?;
        let ids = self.ids(&text)?;
        let mut labels = ids.clone();
        let mut at = 1;
        mask(&mut labels, 0, at);
        for (n, round) in text.split(AFTER_ANSWER).enumerate() {
            let mut halves = round.split(before_answer);
            let (Some(question), Some(_), None) = (halves.next(), halves.next(), halves.next())
            else {
                break;
            };
            let less = if n == 0 { 0 } else { shorter };
            let question = self.whole(&format!("{question}{before_answer}"))?.len();
            // Two less: the token of the beginning, and the space at the end that joins the answer's first word.
            mask(&mut labels, at, (at + question).saturating_sub(2 + less));
            at += self.whole(round)?.len() - less;
        }
        let end = labels.len();
        mask(&mut labels, at, end);
        let pad = template.padding(self.tokenizer);
        let total = ids.iter().filter(|&&id| Some(id) != pad).count();
        let mismatch = at < self.max_length && at != total;
        if mismatch {
            labels.fill(IGNORE);
        }
        Ok(Sample {
            ids,
            labels,
            mismatch,
        })
    }

    /// `plain`: all behind the image is learnt. The image's place counts also where the record has none, as it is published.
    pub(crate) fn caption(&self) -> Result<Sample, TextError> {
        let text = Template::Plain.text(self.turns)?;
        let ids = encode_with_image(self.tokenizer, &text)?;
        let image = encode_with_image(self.tokenizer, IMAGE)?.len();
        let mut labels = ids.clone();
        mask(&mut labels, 0, image);
        Ok(Sample {
            ids,
            labels,
            mismatch: false,
        })
    }

    /// The ids of a text, those of a sample without an image cut to the greatest length.
    fn ids(&self, text: &str) -> Result<Vec<i64>, TextError> {
        if self.has_image {
            encode_with_image(self.tokenizer, text)
        } else {
            self.tokenizer.encode_at_most(text, self.max_length)
        }
    }

    /// The ids of a text, however many there are.
    fn whole(&self, text: &str) -> Result<Vec<i64>, TextError> {
        if self.has_image {
            encode_with_image(self.tokenizer, text)
        } else {
            self.tokenizer.encode(text)
        }
    }
}

/// Python's slice assignment: what lies behind the end is no error.
fn mask(labels: &mut [i64], from: usize, to: usize) {
    let to = to.min(labels.len());
    if from < to {
        labels[from..to].fill(IGNORE);
    }
}
