//! What can be wrong with a tokenizer's files or with a conversation.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error("no tokenizer in {folder}: {wanted} is needed")]
    NoTokenizer {
        folder: PathBuf,
        wanted: &'static str,
    },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not what it should be: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("{folder}: the token {token:?} has no id in the vocabulary or in added_tokens.json")]
    NoId { folder: PathBuf, token: String },
    #[error("{path}: {setting} is not supported; {help}")]
    Unsupported {
        path: PathBuf,
        setting: String,
        help: &'static str,
    },
    #[error("the text cannot be tokenized: {reason}")]
    Encode { reason: String },
    #[error("a limit of {limit} tokens leaves no room for text; it must be more than {least}")]
    Limit { limit: usize, least: usize },
    #[error("the conversation is empty")]
    NoTurns,
    #[error("turn {turn} is from {from:?}; only \"human\" and \"gpt\" speak")]
    Speaker { turn: usize, from: String },
    #[error("turn {turn} is from {from:?}, but it is the turn of {expected:?}")]
    Order {
        turn: usize,
        from: String,
        expected: &'static str,
    },
    #[error("the first turn is empty, which the prompt template llava_llama_2 has no place for")]
    EmptyFirst,
    #[error(
        "the prompt template plain is for an image and its caption: two turns, `<image>` in the first; here are {turns}"
    )]
    NoCaption { turns: usize },
    #[error("there is no prompt template {name:?}; known: {known}")]
    Template { name: String, known: String },
}
