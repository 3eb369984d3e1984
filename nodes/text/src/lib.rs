//! Tokenizers, prompt templates and label masks of vision-language models.
