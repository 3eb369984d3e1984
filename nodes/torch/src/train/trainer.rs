//! The training loop: samples and features in, score net and log out.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Device, Kind, Tensor, no_grad};

use super::gradients::{add, global_norm, norm, scale};
use super::memory::{Load, MemoryPlan, in_bytes};
use super::order::Order;
use super::ready::{attach, check_widths, group, largest, load, sizes};
use super::report::weight_entropy;
use super::sample::check_samples;
use super::snapshot::{Gate, tensors};
use super::step::{BatchResult, Model};
use super::vision::PatchFeatures;
use super::{
    AdamW, FeatureTable, LogRow, Progress, Sample, Schedule, ScoreNetRow, Snapshot, StepReport,
    TrainConfig, TrainError, Trainable, initial_weights,
};
use crate::models::Parameter;
use crate::models::layers::number;
use crate::models::llava::{IMAGE_TOKEN, Item, Llava, PackedBatch};

/// A training run, driven step by step.
pub struct Trainer {
    config: TrainConfig,
    model: Model,
    patches: PatchFeatures,
    samples: Vec<Sample>,
    features: FeatureTable,
    optimizer: AdamW,
    schedule: Schedule,
    /// Batches of each update.
    updates: Vec<Vec<Vec<usize>>>,
    step: usize,
    seen: usize,
    /// Closed while a snapshot is read.
    gate: Gate,
    memory: MemoryPlan,
    /// The batch that takes most.
    largest: Load,
}

impl Trainer {
    /// `features` has a row for each sample, in the same order. `score_net`: the initial weights, else drawn from the seed.
    pub fn new(
        config: TrainConfig,
        mut llava: Llava,
        patches: PatchFeatures,
        samples: Vec<Sample>,
        features: FeatureTable,
        score_net: Option<Vec<f32>>,
    ) -> Result<Self, TrainError> {
        config.check()?;
        check_widths(&llava, &patches)?;
        let positions = check_samples(&samples, llava.llama.config().vocab_size)?;
        let score_net = score_net.unwrap_or_else(|| initial_weights(config.seed, features.width()));
        if score_net.len() != features.width() {
            return Err(TrainError::ScoreNet {
                found: score_net.len(),
                expected: features.width(),
            });
        }
        let score_net = Tensor::from_slice(&score_net)
            .unsqueeze(0)
            .to_device(llava.device());
        let order = match &config.order {
            Some(batches) => Order::replayed(batches, &positions)?,
            None => Order::shuffled(samples.len(), config.epochs, config.batch_size, config.seed),
        };
        let updates = group(&order, &config, samples.len());
        if let Trainable::Lora(lora) = &config.trainable {
            attach(&mut llava.llama, lora, config.seed);
        }
        let model = Model {
            llava,
            score_net,
            trainable: config.trainable.clone(),
        };
        for parameter in model.blocks().iter().flatten() {
            let _ = parameter.value.set_requires_grad(true);
        }
        let memory = MemoryPlan::new(sizes(&model, &config));
        let largest = largest(&updates, &samples, &config, patches.patches());
        memory.check(largest)?;
        Ok(Self {
            optimizer: AdamW::new(config.optimizer, model.blocks()),
            memory,
            largest,
            schedule: Schedule::cosine(config.learning_rate, config.warmup_ratio, updates.len()),
            config,
            model,
            patches,
            samples,
            features,
            updates,
            step: 0,
            seen: 0,
            gate: Gate::default(),
        })
    }

    /// How many updates the whole run has.
    pub fn steps(&self) -> usize {
        self.updates.len()
    }

    /// What the run takes of the device's memory with its largest batch, in words.
    pub fn memory(&self) -> String {
        let again = self.recomputed_layers(self.largest);
        let table = self.memory.table(self.largest, again as u64);
        format!(
            "{table}; {} beside the weights, of {} that are free",
            in_bytes(table.all()),
            in_bytes(self.memory.available())
        )
    }

    fn recomputed_layers(&self, load: Load) -> usize {
        let layers = self.model.llava.llama.layers.len();
        let asked = self.config.recomputed_layers.map(|asked| asked.min(layers));
        asked.unwrap_or_else(|| self.memory.recomputed_layers(load))
    }

    /// Does the next update; none when all are done.
    pub fn step(&mut self) -> Result<Option<StepReport>, TrainError> {
        let Some(batches) = self.updates.get(self.step).cloned() else {
            return Ok(None);
        };
        let start = Instant::now();
        let rate = self.schedule.rate(self.step);
        let packed = batches
            .iter()
            .map(|batch| self.pack(batch))
            .collect::<Result<Vec<_>, _>>()?;
        let label_tokens = packed.iter().map(|batch| batch.places.len() as u64).sum();
        let loads = packed
            .iter()
            .map(|batch| self.recomputed_layers(load(batch)));
        let recomputed_layers = loads.max().unwrap_or(0);

        let mut norms = Vec::new();
        // Gradients of a single unclipped batch need no second look: a block is updated as soon as it has them.
        let results = if batches.len() == 1 && self.config.max_grad_norm.is_none() {
            self.update_in_backward(&batches[0], &packed[0], rate, &mut norms, recomputed_layers)
        } else {
            self.update_after_backward(&batches, &packed, rate, &mut norms, recomputed_layers)
        };

        let losses: Vec<f64> = results
            .iter()
            .filter_map(|result| result.loss.as_ref())
            .map(number)
            .collect();
        let loss = (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64);
        let grad_norm = (!norms.is_empty()).then(|| number(&global_norm(&norms)));
        for (what, value) in [("loss", loss), ("gradient norm", grad_norm)] {
            if value.is_some_and(|value| !value.is_finite()) {
                let samples = batches.iter().flatten();
                return Err(TrainError::NotFinite {
                    what,
                    step: self.step,
                    unique_idx: samples.map(|&at| self.samples[at].unique_idx).collect(),
                });
            }
        }
        let weights: Vec<Vec<(u64, f32)>> = batches
            .iter()
            .zip(&results)
            .map(|(batch, result)| self.weights(batch, result))
            .collect();
        let entropies = weights
            .iter()
            .map(|batch| weight_entropy(batch.iter().map(|(_, weight)| *weight)));
        self.seen += batches.iter().map(Vec::len).sum::<usize>();
        let log = LogRow {
            step: self.step as u64,
            epoch: self.seen as f64 / self.samples.len() as f64,
            lr: rate,
            loss,
            grad_norm,
            label_tokens,
            seconds: start.elapsed().as_secs_f64(),
            weight_entropy: entropies.sum::<f64>() / weights.len() as f64,
        };
        self.step += 1;
        Ok(Some(StepReport {
            log,
            weights,
            tokens: packed.iter().map(PackedBatch::tokens).sum(),
            flops: packed
                .iter()
                .map(|batch| self.model.flops(load(batch)))
                .sum(),
            recomputed_layers,
        }))
    }

    /// The state as it is now, to be read while training goes on. The next update waits where it is ahead of the reader.
    pub fn snapshot(&self) -> Snapshot {
        let progress = Progress {
            step: self.step,
            seen: self.seen,
            updates: self.optimizer.updates(),
        };
        Snapshot::new(progress, self.optimizer.blocks(), &self.gate)
    }

    /// Takes up a run where a snapshot was made of it. `find` gives the snapshot's tensors by name.
    pub fn resume(
        &mut self,
        progress: Progress,
        find: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<(), TrainError> {
        let refuse = |reason: String| TrainError::State { reason };
        if progress.step > self.steps() {
            let (step, steps) = (progress.step, self.steps());
            return Err(refuse(format!("it is after step {step} of {steps}")));
        }
        let wanted: Vec<_> = self
            .optimizer
            .blocks()
            .iter()
            .flatten()
            .flat_map(tensors)
            .collect();
        for mut wanted in wanted {
            let found = find(&wanted.name);
            let found = found.ok_or_else(|| refuse(format!("it has no {}", wanted.name)))?;
            if found.size() != wanted.value.size() {
                return Err(refuse(format!(
                    "{} has shape {:?}, not {:?}",
                    wanted.name,
                    found.size(),
                    wanted.value.size()
                )));
            }
            no_grad(|| wanted.value.copy_(&found));
        }
        self.optimizer.resume(progress.updates);
        (self.step, self.seen) = (progress.step, progress.seen);
        Ok(())
    }

    /// The score net as it is now.
    pub fn score_net(&self) -> Vec<ScoreNetRow> {
        let weights = floats(&self.model.score_net);
        let row =
            |((feature, component, range), weight): ((&str, u32, Option<super::Range>), f32)| {
                ScoreNetRow {
                    feature: feature.to_owned(),
                    component,
                    weight,
                    min: range.map(|range| range.min),
                    max: range.map(|range| range.max),
                }
            };
        self.features.components().zip(weights).map(row).collect()
    }

    /// All trained parameters as they are now, with their names in a checkpoint.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.model.blocks().into_iter().flatten().collect()
    }

    /// All parameters of the model and the score net, trained or not, but for adapters.
    pub fn model_parameters(&self) -> Vec<Parameter> {
        self.model.parameters()
    }

    fn pack(&mut self, batch: &[usize]) -> Result<PackedBatch, TrainError> {
        // An image counts only where the sample's text has a place for it.
        let shown = |&position: &usize| {
            let sample = &self.samples[position];
            sample.image.filter(|_| {
                sample
                    .ids
                    .iter()
                    .take(self.config.max_length)
                    .any(|&id| id == IMAGE_TOKEN)
            })
        };
        let images: Vec<usize> = batch.iter().filter_map(shown).collect();
        let features = self.patches.get(&images, self.model.llava.kind())?;
        let item = |&position: &usize| {
            let sample = &self.samples[position];
            let image = sample.image.and_then(|image| features.get(&image));
            Item {
                ids: &sample.ids,
                labels: &sample.labels,
                image,
            }
        };
        let items: Vec<Item<'_>> = batch.iter().map(item).collect();
        Ok(PackedBatch::new(
            &items,
            self.config.max_length,
            self.config.padding,
        ))
    }

    fn feature_rows(&self, batch: &[usize]) -> Tensor {
        let rows = Tensor::from_slice(&self.features.rows(batch));
        rows.view([batch.len() as i64, -1])
            .to_device(self.model.llava.device())
    }

    fn update_in_backward(
        &mut self,
        batch: &[usize],
        packed: &PackedBatch,
        rate: f64,
        norms: &mut Vec<Tensor>,
        recomputed_layers: usize,
    ) -> Vec<BatchResult> {
        let features = self.feature_rows(batch);
        if !packed.places.is_empty() {
            self.optimizer.begin();
        }
        let result = self
            .model
            .run(packed, &features, recomputed_layers, |block, gradients| {
                norms.extend(gradients.iter().map(norm));
                self.gate.pass(block);
                self.optimizer.update(block, &gradients, rate);
            });
        vec![result]
    }

    /// The mean of the gradients over those batches that have labels, clipped if that is asked for.
    fn update_after_backward(
        &mut self,
        batches: &[Vec<usize>],
        packed: &[PackedBatch],
        rate: f64,
        norms: &mut Vec<Tensor>,
        recomputed_layers: usize,
    ) -> Vec<BatchResult> {
        let mut sums: BTreeMap<usize, Vec<Tensor>> = BTreeMap::new();
        let mut results = Vec::new();
        for (batch, packed) in batches.iter().zip(packed) {
            let features = self.feature_rows(batch);
            results.push(self.model.run(
                packed,
                &features,
                recomputed_layers,
                |block, gradients| match sums.get_mut(&block) {
                    None => drop(sums.insert(block, gradients)),
                    Some(sums) => add(sums, &gradients),
                },
            ));
        }
        let counted = results
            .iter()
            .filter(|result| result.loss.is_some())
            .count();
        if counted == 0 {
            return results;
        }
        if counted > 1 {
            scale(&mut sums, &Tensor::from(1.0 / counted as f64));
        }
        norms.extend(sums.values().flatten().map(norm));
        if let Some(max) = self.config.max_grad_norm {
            scale(
                &mut sums,
                &(max / (global_norm(norms) + 1e-6)).clamp_max(1.0),
            );
        }
        self.optimizer.begin();
        for (block, gradients) in sums.iter().rev() {
            self.gate.pass(*block);
            self.optimizer.update(*block, gradients, rate);
        }
        results
    }

    fn weights(&self, batch: &[usize], result: &BatchResult) -> Vec<(u64, f32)> {
        let names = batch
            .iter()
            .map(|&position| self.samples[position].unique_idx);
        names.zip(floats(&result.weights)).collect()
    }
}

fn floats(x: &Tensor) -> Vec<f32> {
    let flat = no_grad(|| {
        x.detach()
            .to_device(Device::Cpu)
            .to_kind(Kind::Float)
            .contiguous()
            .view(-1)
    });
    let mut values = vec![0f32; flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values
}
