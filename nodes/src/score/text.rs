//! Measures of each row's text: lengths, language, repetition, and what the text is made of.
//!
//! One column for each measure (two for `language`), `text_` and its name. docs/measures.md defines them all. A row whose
//! text is null gets nulls, as does one without a conversation for the measures of turns. What cannot be measured (the mean
//! length of no words) is null, never NaN. Turns come from the column of conversations of load.llava, all else from `text`;
//! only the columns that the measures need are read.
//!
//! ```yaml
//! text: { kind: score.text, input: instructions, measures: [chars, turns, language, char_repetition] }
//! ```

use arrow::array::StringArray;
use rayon::prelude::*;
use trommel_engine::node::prelude::*;
use trommel_engine::table::strings;

use self::measure::{Lengths, Measure, Sample};
use self::repetition::Windows;
use self::turns::Conversations;
use super::measures::{Value, batch, refuse_list};

mod characters;
mod language;
mod lengths;
pub mod measure;
mod repetition;
mod stopwords;
mod turns;
mod words;

/// Measures of texts.
pub struct Text;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows.
    pub input: TableRef,
    /// What to measure.
    pub measures: Vec<Measure>,
    /// The column of texts.
    #[serde(default = "text")]
    pub text: String,
    /// The column of conversations, a list of turns with `from` and `value`.
    #[serde(default = "conversations")]
    pub conversations: String,
    /// Code points of an n-gram of `char_repetition`.
    #[serde(default = "ngram")]
    #[schemars(range(min = 1))]
    pub char_ngram: u32,
    /// Words of an n-gram of `word_repetition`.
    #[serde(default = "ngram")]
    #[schemars(range(min = 1))]
    pub word_ngram: u32,
}

fn text() -> String {
    "text".into()
}

fn conversations() -> String {
    "conversations".into()
}

fn ngram() -> u32 {
    10
}

impl Kind for Text {
    const NAME: &'static str = "score.text";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        refuse_list(&config.measures, contract);
        let (of_turns, of_text): (Vec<Measure>, Vec<Measure>) =
            config.measures.iter().partition(|m| m.is_of_turns());
        let need = contract.table("input", &config.input);
        if !of_text.is_empty() {
            need.reads(&config.text, &[ColumnType::Text]);
        }
        if !of_turns.is_empty() {
            need.reads(&config.conversations, &[ColumnType::Turns]);
        }
        let port = contract.port("rows", RowsOf::Input("input"));
        for (name, ty) in config.measures.iter().flat_map(|m| m.columns()) {
            port.gives(name, *ty);
        }
        contract.row_wise();
        for (key, length) in [
            ("char_ngram", config.char_ngram),
            ("word_ngram", config.word_ngram),
        ] {
            if length == 0 {
                contract.refuse(key, format!("`{key}` is 0"), "it must be 1 or more");
            }
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        let columns = config.measures.iter().flat_map(|m| m.columns());
        Ok(Work::rows(Measured {
            columns: columns.map(|(name, ty)| (*name, *ty)).collect(),
            measures: config.measures.clone(),
            text: config.text.clone(),
            conversations: config.conversations.clone(),
            lengths: Lengths {
                char_ngram: config.char_ngram as usize,
                word_ngram: config.word_ngram as usize,
            },
        }))
    }
}

struct Measured {
    measures: Vec<Measure>,
    columns: Vec<(&'static str, ColumnType)>,
    text: String,
    conversations: String,
    lengths: Lengths,
}

impl RowNode for Measured {
    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError> {
        context.check_cancelled()?;
        // Only what the measures need is there.
        let texts: Option<StringArray> =
            rows.column_by_name(&self.text).map(strings).transpose()?;
        let turns = rows.column_by_name(&self.conversations);
        let turns = turns.map(|column| Conversations::of(column, &self.conversations));
        let turns = turns.transpose()?;
        let measure = |windows: &mut Windows, row: usize| {
            let text = texts.as_ref().filter(|texts| texts.is_valid(row));
            let sample = Sample::new(
                text.map(|texts| texts.value(row)),
                turns.as_ref().and_then(|turns| turns.turns(row)),
            );
            let mut values: Vec<Value> = Vec::with_capacity(self.columns.len());
            for measure in &self.measures {
                measure.measure(&sample, self.lengths, windows, &mut values);
            }
            values
        };
        let values: Vec<Vec<Value>> = (0..rows.num_rows())
            .into_par_iter()
            .map_init(Windows::default, measure)
            .collect();
        Ok(batch(&self.columns, &values)?.into())
    }
}

#[cfg(test)]
mod tests;
