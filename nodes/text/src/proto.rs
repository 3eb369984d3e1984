//! The fields of `sentencepiece_model.proto` that are needed here.

pub(crate) const UNIGRAM: i32 = 1;
pub(crate) const BPE: i32 = 2;

pub(crate) const NORMAL: i32 = 1;
pub(crate) const UNKNOWN: i32 = 2;
pub(crate) const USER_DEFINED: i32 = 4;
pub(crate) const UNUSED: i32 = 5;

#[derive(prost::Message)]
pub(crate) struct Model {
    #[prost(message, repeated, tag = "1")]
    pub(crate) pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    pub(crate) trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    pub(crate) normalizer: Option<Normalizer>,
}

#[derive(prost::Message)]
pub(crate) struct Piece {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3", default = "1")]
    kind: Option<i32>,
}

#[derive(prost::Message)]
pub(crate) struct Trainer {
    #[prost(int32, optional, tag = "3", default = "1")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    space_as_suffix: Option<bool>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
}

#[derive(prost::Message)]
pub(crate) struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3", default = "true")]
    dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4", default = "true")]
    remove_extra_spaces: Option<bool>,
    #[prost(bool, optional, tag = "5", default = "true")]
    escape_spaces: Option<bool>,
}
