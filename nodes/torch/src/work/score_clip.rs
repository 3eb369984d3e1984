//! `score.clip`: the cosine of a row's image and text in CLIP's space, not scaled. Hessel et al. 2021, arXiv 2104.08718, without
//! their factor and their cut at 0.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use serde_json::Value as Json;
use tch::Device;

use super::clip_model::ClipModel;
use super::{RowAnswer, RowWork, Session, WorkError};

pub(super) fn open(config: Json, device: Device) -> Result<Session, WorkError> {
    let model = ClipModel::open("score.clip", config, device)?;
    Ok(Session::Rows(Box::new(ScoreClip(model))))
}

struct ScoreClip(ClipModel);

impl RowWork for ScoreClip {
    fn rows(&mut self, rows: &RecordBatch) -> Result<RowAnswer, WorkError> {
        let pairs = self.0.pairs(rows)?;
        let width = self.0.width;
        let halves = pairs.images.chunks(width).zip(pairs.texts.chunks(width));
        let score = |((image, text), valid): ((&[f32], &[f32]), &bool)| {
            valid.then(|| image.iter().zip(text).map(|(a, b)| a * b).sum::<f32>())
        };
        let scores: Float32Array = halves.zip(&pairs.valid).map(score).collect();
        let columns = RecordBatch::try_from_iter_with_nullable([(
            "clip_score",
            Arc::new(scores) as ArrayRef,
            true,
        )])?;
        Ok(RowAnswer {
            columns,
            failed: pairs.failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Float32Type;
    use serde_json::json;

    use super::super::testing::{images_and_texts, read_json, roots};
    use super::*;

    #[test]
    fn recorded_scores() {
        for root in roots() {
            let config = json!({"model": root.join("clip"), "precision": "f32", "batch_size": 5});
            let mut session = open(config, Device::Cpu).unwrap();
            let rows = images_and_texts(&root);
            let answer = session.rows(&rows).unwrap();
            let found = answer.columns.column_by_name("clip_score").unwrap();
            let found = found.as_primitive::<Float32Type>();
            let expected = read_json(&root.join("golden/2_clip/llava_clipscore.json"));
            for row in 0..rows.num_rows() {
                let expected = expected[row.to_string()].as_f64();
                assert_eq!(found.is_valid(row), rows.column(0).is_valid(row));
                if let Some(expected) = expected.filter(|_| found.is_valid(row)) {
                    let deviation = (f64::from(found.value(row)) - expected).abs();
                    assert!(deviation < 1e-5, "row {row}: {deviation:e}");
                }
            }
        }
    }

    #[test]
    fn bf16_is_near() {
        let root = &roots()[0];
        let rows = images_and_texts(root);
        let scores = |precision: &str| -> Vec<Option<f32>> {
            let config = json!({"model": root.join("clip"), "precision": precision});
            let answer = open(config, Device::Cpu).unwrap().rows(&rows).unwrap();
            answer
                .columns
                .column(0)
                .as_primitive::<Float32Type>()
                .iter()
                .collect()
        };
        let (exact, rough) = (scores("f32"), scores("bf16"));
        assert_ne!(exact, rough);
        let differences = exact.into_iter().flatten().zip(rough.into_iter().flatten());
        let largest = differences.fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(largest < 0.1, "{largest}");
    }
}
