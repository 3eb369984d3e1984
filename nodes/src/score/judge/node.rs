//! The judge at work: row by row, or over the whole table where the mean of all marks is needed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use arrow::array::{Float32Array, StringArray, UInt64Array};
use trommel_engine::node::prelude::*;

use super::ask::{Outcome, ask};
use super::asker::Asker;
use super::budget::Budget;
use super::client::{Client, Patience};
use super::config::{Config, OnMissing, Parse};
use super::dimensions::{marks, mean};
use super::limiter::Limiter;
use super::parse::{first_word, number};
use super::question::Asking;
use super::recorded::Recorded;

/// A built judge.
pub(super) struct Judge {
    config: Config,
    recorded: Option<Recorded>,
    asking: Option<(Asking, Asker)>,
}

/// What a row gets.
#[derive(Clone, Default)]
struct Judged {
    /// What the model said.
    response: Option<String>,
    mark: Option<f64>,
    /// One for each dimension.
    marks: Vec<Option<f64>>,
}

impl Judge {
    pub(super) fn new(config: &Config) -> Result<Self, NodeError> {
        let asking =
            Asking::new(config).map_err(|why| NodeError::new(format!("`prompt`: {why}")))?;
        Ok(Self {
            recorded: config
                .responses
                .as_ref()
                .map(|path| Recorded::new(path.path())),
            asking: asking.map(|asking| {
                let asker = asker(config, &asking.url);
                (asking, asker)
            }),
            config: config.clone(),
        })
    }

    /// Judges the rows of a batch; those that failed are listed and have nothing.
    fn judge(
        &mut self,
        rows: &RecordBatch,
        context: &Context<'_>,
    ) -> Result<(Vec<Judged>, Vec<RowFailure>), NodeError> {
        let outcomes = self.outcomes(rows, context)?;
        let mut judged = Vec::with_capacity(rows.num_rows());
        let mut failed = Vec::new();
        for row in 0..rows.num_rows() {
            let result = match outcomes.get(&row).cloned().flatten() {
                None => Ok(self.nothing()),
                Some(Ok(text)) => self.read(text),
                Some(Err(reason)) => Err(reason),
            };
            judged.push(result.unwrap_or_else(|reason| {
                failed.push(RowFailure { row, reason });
                self.nothing()
            }));
        }
        Ok((judged, failed))
    }

    fn outcomes(
        &mut self,
        rows: &RecordBatch,
        context: &Context<'_>,
    ) -> Result<HashMap<usize, Outcome>, NodeError> {
        let mut outcomes: HashMap<usize, Outcome> = HashMap::new();
        if let Some(recorded) = &self.recorded {
            let numbers = unique_idx(rows)?;
            for (row, number) in numbers.values().iter().enumerate() {
                let text = recorded.text(*number);
                let nobody = || {
                    let file = recorded.file(*number);
                    Err(format!("there is no recorded answer {}", file.display()))
                };
                match text {
                    None if self.asking.is_some() => {}
                    text => drop(outcomes.insert(row, Some(text.unwrap_or_else(nobody)))),
                }
            }
        }
        if let Some((asking, asker)) = &mut self.asking {
            let left = (0..rows.num_rows()).filter(|row| !outcomes.contains_key(row));
            let left: Vec<usize> = left.collect();
            let seen = asking.rows(rows)?;
            let questions = |row: usize| asking.question(&seen, row);
            outcomes.extend(ask(asker, &left, &questions, context)?);
        }
        Ok(outcomes)
    }

    /// Of a row that has no answer.
    fn nothing(&self) -> Judged {
        Judged {
            marks: vec![None; self.config.dimensions.len()],
            ..Judged::default()
        }
    }

    fn read(&self, response: String) -> Result<Judged, String> {
        let config = &self.config;
        let judged = if config.dimensions.is_empty() {
            let mark = match config.parse {
                Parse::Number => number(&response),
                Parse::FirstWord => first_word(&response),
            };
            Judged {
                mark,
                marks: Vec::new(),
                response: Some(response),
            }
        } else {
            let marks = marks(&response, &config.dimensions);
            Judged {
                mark: mean(&marks),
                marks,
                response: Some(response),
            }
        };
        if config.on_missing == OnMissing::Fail && judged.mark.is_none() {
            let said = judged.response.unwrap_or_default();
            let said: String = said.chars().take(200).collect();
            return Err(format!("no mark in the answer {said:?}"));
        }
        Ok(judged)
    }

    /// The columns; `fill` stands for marks that are missing in answers.
    fn columns(&self, rows: &[Judged], fill: Option<f64>) -> Result<RecordBatch, NodeError> {
        let numbers = |of: &dyn Fn(&Judged) -> Option<f64>| -> ArrayRef {
            let values = rows.iter().map(|row| of(row).map(|mark| mark as f32));
            Arc::new(values.collect::<Float32Array>())
        };
        let filled = |row: &Judged| row.mark.or(fill.filter(|_| row.response.is_some()));
        let texts = rows.iter().map(|row| row.response.as_deref());
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let mut columns = vec![
            ("judge".to_owned(), numbers(&filled)),
            ("judge_raw".to_owned(), numbers(&|row| row.mark)),
            ("judge_response".to_owned(), texts),
        ];
        for (place, name) in self.config.dimensions.iter().enumerate() {
            columns.push((Config::column(name), numbers(&|row| row.marks[place])));
        }
        let columns = columns.into_iter().map(|(name, array)| (name, array, true));
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }

    /// Says what was sent and spent.
    fn tell(&self, context: &Context<'_>) {
        if let Some((_, asker)) = &self.asking {
            context.log(asker.summary());
        }
    }
}

fn asker(config: &Config, url: &str) -> Asker {
    let patience = Patience {
        connect: Duration::from_secs_f64(config.connect_timeout),
        whole: Duration::from_secs_f64(config.timeout),
    };
    let headers = config.headers.clone().into_iter();
    let client = Client::new(
        url.to_owned(),
        config.api_key.as_ref(),
        headers,
        &patience,
        config.concurrency,
    );
    let limiter = Limiter::new(
        config.concurrency,
        config.requests_per_minute,
        config.tokens_per_minute,
        Instant::now(),
    );
    let budget = Budget::new(config.max_requests, config.max_cost, config.price);
    Asker::new(client, limiter, budget, config.attempts)
}

pub(super) fn unique_idx(rows: &RecordBatch) -> Result<&UInt64Array, NodeError> {
    rows.column_by_name(UNIQUE_IDX)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| NodeError::new(format!("there is no column `{UNIQUE_IDX}`")))
}

/// Row by row.
impl RowNode for Judge {
    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError> {
        let (judged, failed) = self.judge(rows, context)?;
        let columns = self.columns(&judged, None)?;
        Ok(RowOutput { columns, failed })
    }

    fn close(&mut self, context: &Context<'_>) {
        self.tell(context);
    }
}

/// With the mean of all in place of what is missing.
impl TableNode for Judge {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let table = inputs.table("input")?;
        let mut all = Vec::with_capacity(table.rows());
        for chunk in 0..table.chunks().len() {
            let (judged, failed) = self.judge(&table.batch(chunk)?, context)?;
            for RowFailure { row, reason } in failed {
                let row = all.len() + row;
                outputs.failed(RowFailure { row, reason })?;
            }
            all.extend(judged);
        }
        self.tell(context);
        let marks: Vec<f64> = all.iter().filter_map(|row| row.mark).collect();
        let missing = |row: &&Judged| row.mark.is_none() && row.response.is_some();
        let missing = all.iter().filter(missing).count();
        if missing > 0 {
            if marks.is_empty() {
                return Err(NodeError::new(format!(
                    "none of {missing} answers has a mark, so there is no mean of them"
                ))
                .help("look at `judge_response` with `on_missing: null`"));
            }
            context.warn(format!(
                "{missing} of {} answers have no mark; `judge` is the mean of the others there",
                missing + marks.len()
            ));
        }
        let fill = (!marks.is_empty()).then(|| marks.iter().sum::<f64>() / marks.len() as f64);
        outputs.push("rows", self.columns(&all, fill)?)
    }
}
