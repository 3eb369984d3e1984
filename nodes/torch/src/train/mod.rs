//! Self-Filter's first stage: a vision-language model and a score net are trained together, and the score net learns how hard
//! each sample is for this model. Chen et al. 2024, arXiv 2402.12501, section 3.1.

mod adamw;
mod error;
mod features;
mod gradients;
mod loss;
mod memory;
mod order;
mod ready;
mod report;
mod sample;
mod schedule;
mod score_net;
mod settings;
mod snapshot;
mod step;
mod trainer;
mod vision;

pub use adamw::{AdamW, AdamWConfig, Slot};
pub use error::TrainError;
pub use features::{Feature, FeatureTable, Range, Values};
pub use loss::{batch_weights, token_losses, weighted_loss};
pub use memory::in_bytes;
pub use order::Order;
pub use report::{LogRow, StepReport};
pub use sample::Sample;
pub use schedule::Schedule;
pub use score_net::{ScoreNetRow, initial_weights};
pub use settings::{TrainConfig, Trainable};
pub use snapshot::{Named, Progress, Snapshot};
pub use trainer::Trainer;
pub use vision::{PatchFeatures, PixelError, PixelSource};
