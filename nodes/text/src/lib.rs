//! Tokenizers, prompt templates and label masks of vision-language models.
//!
//! A record's turns become one text by a [`Template`], then token ids and labels by [`tokenize_sample`]; [`collate`] puts
//! samples into a batch. [`ClipTokenizer`] and [`SiglipTokenizer`] serve the text towers of CLIP and SigLIP, [`BertTokenizer`]
//! BLIP's. All ids equal those of the Python packages.

mod bert;
mod bpe;
mod clip;
mod error;
mod files;
mod labels;
mod llama;
mod proto;
mod sample;
mod siglip;
mod split;
mod template;
mod whitespace;

pub use bert::BertTokenizer;
pub use clip::ClipTokenizer;
pub use error::TextError;
pub use llama::LlamaTokenizer;
pub use sample::{Batch, IGNORE, IMAGE_TOKEN, Sample, collate, tokenize_sample};
pub use siglip::SiglipTokenizer;
pub use template::{Template, Turn};
