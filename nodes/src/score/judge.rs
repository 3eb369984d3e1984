//! What a chat model thinks of each row: a mark from 0 to 10.
//!
//! Asks an OpenAI-compatible server one question a row. Every answer is on the disk before it counts, under the digest of
//! the request, and stays there when rows or the pipeline change: nothing is asked, or paid for, twice. A request that fails
//! for a passing reason is sent again; a row that cannot be answered has failed (`on_error`), and never gets a mark. What the
//! model said stands in `judge_response`; where no mark can be read out of it, `judge` is null or, with `on_missing: mean`,
//! the mean of all others, and `judge_raw` is null either way. A row is not asked if all columns in the prompt, and the
//! image where one is sent, are null. docs/judge.md tells the rest.
//!
//! ```yaml
//! judge: { kind: score.judge, input: instructions, endpoint: "https://api.openai.com/v1", model: gpt-3.5-turbo-1106 }
//! ```

mod answer;
mod ask;
mod asker;
mod budget;
mod client;
mod config;
mod dimensions;
mod estimate;
mod headers;
mod image;
mod limiter;
mod node;
mod parse;
mod prompt;
mod question;
mod recorded;
mod reply;

use trommel_engine::node::prelude::*;

use self::config::{Config, OnMissing, SPEED};
use self::question::Asking;

/// A chat model as a judge.
pub struct Judge;

impl Kind for Judge {
    const NAME: &'static str = "score.judge";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        config.check(contract);
        let asking = Asking::new(config).unwrap_or_else(|why| {
            let help =
                "it is a minijinja template (https://docs.rs/minijinja/latest/minijinja/syntax)";
            contract.refuse("prompt", why, help);
            None
        });
        if let Some(asking) = &asking
            && asking.columns().is_empty()
            && !asking.sends_images()
        {
            contract.refuse(
                "prompt",
                "the prompt names no column, so every row would be asked the same",
                "put columns into it: {{ text }}",
            );
        }
        let input = contract.table("input", &config.input);
        if config.responses.is_some() {
            input.reads(UNIQUE_IDX, &[ColumnType::U64]);
        }
        if let Some(asking) = &asking {
            let sent = asking.sends_images().then_some(&config.image);
            let known = |name: &&String| {
                let is_number = *name == UNIQUE_IDX && config.responses.is_some();
                Some(*name) != sent && !is_number
            };
            for name in asking.columns().iter().filter(known) {
                input.reads(name, &[ColumnType::Any]);
            }
            if let Some(image) = sent {
                input.reads_files(image);
            }
        }
        if let Some(responses) = &config.responses {
            contract.files_in("responses", responses);
        }
        let port = contract.port("rows", RowsOf::Input("input"));
        port.gives("judge", ColumnType::F32)
            .gives("judge_raw", ColumnType::F32)
            .gives("judge_response", ColumnType::Text);
        for name in &config.dimensions {
            port.gives(&Config::column(name), ColumnType::F32);
        }
        // The mean needs all rows; then the answers that are kept are what makes a change cheap.
        match config.on_missing {
            OnMissing::Mean => contract.fails_by_row(),
            OnMissing::Null | OnMissing::Fail => contract.row_wise(),
        }
        contract.permit(Permit::Server);
        contract.speed_only(&SPEED);
        contract.estimated(estimate::Estimates(config.clone()));
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        let judge = node::Judge::new(config)?;
        Ok(match config.on_missing {
            OnMissing::Mean => Work::table(judge),
            OnMissing::Null | OnMissing::Fail => Work::rows(judge),
        })
    }
}
