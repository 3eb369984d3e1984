//! `train.self_filter`: trains a vision-language model together with a score net, and gives the score net and a log. Chen et al.
//! 2024, arXiv 2402.12501, section 3.1.

use serde_json::Value as Json;
use tch::Device;
use trommel_engine::worker::protocol::TableInput;

use super::{Events, Session, TableWork, WorkError, read_settings};
use crate::device;
use crate::train::{FeatureTable, StepReport, Trainer};

mod models;
mod pixels;
mod ports;
mod records;
mod samples;
mod settings;
#[cfg(test)]
mod tests;

use models::Models;
use records::Records;
use samples::Samples;
use settings::{Settings, train_config};

pub(super) fn open(config: Json, device: Device) -> Result<Session, WorkError> {
    let settings: Settings = read_settings("train.self_filter", config)?;
    // Only to say at once what is wrong: the number of layers and the padding token are known later.
    train_config(&settings, 0, 0).check()?;
    Ok(Session::Table(Box::new(SelfFilter { settings, device })))
}

struct SelfFilter {
    settings: Settings,
    device: Device,
}

impl TableWork for SelfFilter {
    fn table(&mut self, inputs: &[TableInput], events: &mut dyn Events) -> Result<(), WorkError> {
        let threads = device::threads()?;
        let mut records = Records::read(inputs)?;
        let features = records.take_features(inputs, events)?;
        records.check_order(self.settings.order.as_deref())?;
        let unique_idx: Vec<u64> = records.rows.iter().map(|row| row.unique_idx).collect();
        let features = FeatureTable::new(features, &unique_idx)?;

        let models = Models::load(&self.settings, self.device)?;
        let samples = Samples::make(&records, &models, &self.settings, threads, events)?;
        let source = pixels::check_all(samples.images, models.images, threads, events)?;
        let (config, score_net) = (
            train_config(&self.settings, models.padding, models.recomputed_layers),
            models.score_net,
        );
        let start = if score_net.is_some() {
            "score_net.weight of the model's folder"
        } else {
            "the seed"
        };
        let patches = models::patches(models.tower, source)?;
        let mut trainer = Trainer::new(
            config,
            models.llava,
            patches,
            samples.samples,
            features,
            score_net,
        )?;

        events.log(format!(
            "{} steps; the score net starts from {start}",
            trainer.steps()
        ))?;
        let steps = trainer.steps() as u64;
        let mut log = Vec::new();
        while let Some(report) = trainer.step()? {
            log.push(report.log.clone());
            events.progress(log.len() as u64, steps, note(&report))?;
        }
        if log.iter().all(|row| row.label_tokens == 0) {
            return Err(WorkError::NoLabels {
                max_length: self.settings.max_length,
            });
        }
        events.push("score_net", &ports::score_net(&trainer.score_net())?)?;
        events.push("log", &ports::log(&log)?)
    }
}

fn note(report: &StepReport) -> String {
    let lr = report.log.lr;
    match report.log.loss {
        Some(loss) => format!("loss {loss:.3}, lr {lr:.1e}"),
        None => format!("nothing to learn in this batch, lr {lr:.1e}"),
    }
}
