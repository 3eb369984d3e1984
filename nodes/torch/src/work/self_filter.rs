//! `train.self_filter`: trains a vision-language model together with a score net, and gives the score net and a log. Chen et al.
//! 2024, arXiv 2402.12501, section 3.1.

use std::path::Path;

use serde_json::Value as Json;
use tch::Device;
use trommel_engine::worker::protocol::TableInput;

use super::{Events, Session, TableJob, TableWork, WorkError, read_settings};
use crate::device;
use crate::stop::Asked;
use crate::train::{FeatureTable, LogRow, Trainer};

mod checkpoint;
#[cfg(test)]
mod llava_tests;
mod models;
mod pixels;
mod ports;
mod records;
mod samples;
mod saves;
mod settings;
#[cfg(test)]
mod tests;
mod watch;

use models::Models;
use records::Records;
use samples::Samples;
use saves::Saves;
use settings::{Settings, train_config};
use watch::Watch;

pub(super) fn open(config: Json, device: Device) -> Result<Session, WorkError> {
    let settings: Settings = read_settings("train.self_filter", config)?;
    // Only to say at once what is wrong: the padding token is known later.
    train_config(&settings, None).check()?;
    Ok(Session::Table(Box::new(SelfFilter { settings, device })))
}

struct SelfFilter {
    settings: Settings,
    device: Device,
}

impl TableWork for SelfFilter {
    fn table(&mut self, job: &TableJob<'_>, events: &mut dyn Events) -> Result<(), WorkError> {
        let (temporary, folder) = (std::env::temp_dir(), job.folder);
        let mut trainer = self.ready(job.inputs, folder.unwrap_or(&temporary), events)?;
        if job.dry_run {
            return Ok(());
        }
        let log = self.train(&mut trainer, folder, events)?;
        if log.iter().all(|row| row.label_tokens == 0) {
            return Err(WorkError::NoLabels {
                max_length: self.settings.max_length,
            });
        }
        events.push("score_net", &ports::score_net(&trainer.score_net())?)?;
        events.push("log", &ports::log(&log)?)?;
        checkpoint::save(&self.settings, &trainer, folder, events)
    }
}

impl SelfFilter {
    /// Reads everything, and says what is wrong with it before hours of training.
    fn ready(
        &self,
        inputs: &[TableInput],
        folder: &Path,
        events: &mut dyn Events,
    ) -> Result<Trainer, WorkError> {
        let threads = device::threads()?;
        let mut records = Records::read(inputs)?;
        let features = records.take_features(inputs, events)?;
        records.check_order(self.settings.order.as_deref())?;
        let unique_idx: Vec<u64> = records.rows.iter().map(|row| row.unique_idx).collect();
        let features = FeatureTable::new(features, &unique_idx)?;

        let models = Models::load(&self.settings, self.device, events)?;
        let samples = Samples::make(&records, &models, &self.settings, threads, events)?;
        let source = pixels::read_all(&samples.images, models.images, threads, folder, events)?;
        let config = train_config(&self.settings, models.padding);
        let score_net = checkpoint::in_order_of(&features, models.score_net, &self.settings.vlm)?;
        let start = if score_net.is_some() {
            "score_net.weight of the model's folder"
        } else {
            "the seed"
        };
        let patches = models::patches(models.tower, models.vision_layer, source)?;
        let trainer = Trainer::new(
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
        events.log(format!("memory: {}", trainer.memory()))?;
        Ok(trainer)
    }

    fn train(
        &self,
        trainer: &mut Trainer,
        folder: Option<&Path>,
        events: &mut dyn Events,
    ) -> Result<Vec<LogRow>, WorkError> {
        // Before this there is nothing to save, and who asks the process to end ends it at once.
        let asked = Asked::listen().map_err(|source| WorkError::Signal { source })?;
        let mut log = match folder {
            Some(folder) => saves::resume(folder, trainer, events)?,
            None => Vec::new(),
        };
        let mut saves =
            folder.map(|folder| Saves::new(folder, self.settings.save_every, log.len()));
        let steps = trainer.steps() as u64;
        let mut watch = Watch::new(self.device, self.settings.precision.kind());
        while let Some(report) = trainer.step()? {
            log.push(report.log.clone());
            events.progress(log.len() as u64, steps, watch.note(&report))?;
            if let Some(warning) = watch.warning(&report) {
                events.warning(warning)?;
            }
            let Some(saves) = &mut saves else { continue };
            if asked.to_end() {
                events.log(format!(
                    "asked to stop: saves the state after step {}, from which the next run goes on; Ctrl-C again stops at once",
                    log.len()
                ))?;
                saves.save_now(trainer, &log, events)?;
                return Err(WorkError::Stopped);
            }
            saves.after_step(trainer, &log, events)?;
        }
        Ok(log)
    }
}
