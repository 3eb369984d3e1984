//! Self-Filter's first stage: a vision-language model and a score net are trained together, and the score net learns how hard
//! each sample is for this model. Chen et al. 2024, arXiv 2402.12501, section 3.1.

mod adamw;
mod error;
mod features;
mod gradients;
mod loss;
mod order;
mod sample;
mod schedule;
mod score_net;
mod settings;
mod step;
mod trainer;
mod vision;

pub use adamw::{AdamW, AdamWConfig};
pub use error::TrainError;
pub use features::{Feature, FeatureTable, Range, Values};
pub use loss::{batch_weights, token_losses, weighted_loss};
pub use order::Order;
pub use sample::Sample;
pub use schedule::Schedule;
pub use score_net::{ScoreNetRow, initial_weights};
pub use settings::{TrainConfig, Trainable};
pub use trainer::{LogRow, StepReport, Trainer};
pub use vision::{PatchFeatures, PixelSource};
