//! `embed.clip`: one vector per row, the image's CLIP embedding and then the text's, each of length 1. Radford et al. 2021,
//! arXiv 2103.00020.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use serde_json::Value as Json;
use tch::Device;
use trommel_engine::table::list_of_floats;

use super::clip_model::ClipModel;
use super::{RowAnswer, RowWork, Session, WorkError};

pub(super) fn open(config: Json, device: Device) -> Result<Session, WorkError> {
    let model = ClipModel::open("embed.clip", config, device)?;
    Ok(Session::Rows(Box::new(EmbedClip(model))))
}

struct EmbedClip(ClipModel);

impl RowWork for EmbedClip {
    fn rows(&mut self, rows: &RecordBatch) -> Result<RowAnswer, WorkError> {
        let pairs = self.0.pairs(rows)?;
        let width = self.0.width;
        let halves = pairs.images.chunks(width).zip(pairs.texts.chunks(width));
        let values = halves
            .flat_map(|(image, text)| image.iter().chain(text))
            .copied()
            .collect();
        let vectors = list_of_floats(values, 2 * width, Some(pairs.valid))?;
        let columns = RecordBatch::try_from_iter_with_nullable([(
            "clip",
            Arc::new(vectors) as ArrayRef,
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
    use std::path::Path;

    use arrow::array::{Array, AsArray, StringArray};
    use serde_json::json;
    use trommel_checkpoint::Checkpoint;
    use trommel_engine::table::vectors;

    use super::super::testing::{golden, images_and_texts, roots};
    use super::*;

    fn session(root: &Path, batch_size: Option<usize>) -> Session {
        let config =
            json!({"model": root.join("clip"), "precision": "f32", "batch_size": batch_size});
        open(config, Device::Cpu).unwrap()
    }

    fn largest(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).fold(0.0, |most, (a, b)| {
            let difference = (a - b).abs();
            // NaN counts.
            if difference <= most { most } else { difference }
        })
    }

    #[test]
    fn recorded_features_whatever_the_batches() {
        for root in roots() {
            let rows = images_and_texts(&root);
            let path = root.join("golden/2_clip/clip_features.safetensors");
            let file = Checkpoint::open(&path).unwrap();
            let expected = file.require("features").unwrap().to_f32().unwrap();
            let width = expected.len() / rows.num_rows();
            let embed = |rows: &RecordBatch, batch_size| {
                let answer = session(&root, batch_size).rows(rows).unwrap();
                assert!(answer.failed.is_empty(), "{:?}", answer.failed);
                let found = vectors(answer.columns.column_by_name("clip").unwrap()).unwrap();
                assert_eq!((found.rows(), found.width()), (rows.num_rows(), width));
                found
            };
            let (together, in_threes) = (embed(&rows, None), embed(&rows, Some(3)));
            for row in 0..rows.num_rows() {
                let has_image = rows.column(0).is_valid(row);
                let found = together.row(row);
                assert_eq!(found.is_some(), has_image, "row {row}");
                let Some(found) = found else { continue };
                let recorded = largest(found, &expected[row * width..][..width]);
                let batched = largest(found, in_threes.row(row).unwrap());
                let alone = embed(&rows.slice(row, 1), None);
                let alone = largest(found, alone.row(0).unwrap());
                assert!(
                    recorded < 1e-5,
                    "{} row {row}: {recorded:e}",
                    root.display()
                );
                assert!(
                    batched < 1e-6 && alone < 1e-6,
                    "row {row}: {batched:e}, {alone:e}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_embedded_fails_alone_and_says_which_file() {
        let folder = tempfile::tempdir().unwrap();
        let whole = golden("data/images/photo_420.jpg");
        let bytes = std::fs::read(&whole).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Some(path.to_str().unwrap().to_owned())
        };
        let good = whole.to_str().map(str::to_owned);
        let images = StringArray::from(vec![
            good.clone(),
            file("cut.jpg", &bytes[..bytes.len() / 2]),
            file("text.png", b"no image at all"),
            file("empty.jpg", b""),
            Some("/nowhere/gone.jpg".into()),
            None,
            good.clone(),
            good,
        ]);
        let text = Some("a red cup");
        let texts = StringArray::from(vec![text, text, text, text, text, text, None, Some("")]);
        let rows = RecordBatch::try_from_iter_with_nullable([
            ("text", Arc::new(texts) as ArrayRef, true),
            ("image", Arc::new(images) as ArrayRef, true),
        ])
        .unwrap();
        let answer = session(&roots()[0], Some(2)).rows(&rows).unwrap();
        let column = answer.columns.column(0).as_fixed_size_list();
        let valid: Vec<bool> = (0..8).map(|row| column.is_valid(row)).collect();
        // An empty text is two tokens: its beginning and its end.
        assert_eq!(
            valid,
            [true, false, false, false, false, false, false, true]
        );
        let failed: Vec<usize> = answer.failed.iter().map(|failure| failure.row).collect();
        assert_eq!(failed, [1, 2, 3, 4]);
        for (failure, part) in answer.failed.iter().zip([
            "cut.jpg: the JPEG file is cut off",
            "text.png: not an image",
            "empty.jpg: the file is empty",
            "cannot read /nowhere/gone.jpg",
        ]) {
            assert!(failure.reason.contains(part), "{}", failure.reason);
        }
    }

    #[test]
    fn no_rows_are_no_rows() {
        let rows = images_and_texts(&roots()[0]).slice(0, 0);
        let answer = session(&roots()[0], None).rows(&rows).unwrap();
        assert_eq!(answer.columns.num_rows(), 0);
        assert_eq!(
            answer.columns.column(0).as_fixed_size_list().value_length(),
            24
        );
    }

    #[test]
    fn wrong_configurations_and_folders_are_told() {
        let error = |config| match open(config, Device::Cpu) {
            Ok(_) => panic!("it opened"),
            Err(error) => error.words(),
        };
        let missing = error(json!({"model": "/nowhere/clip", "precision": "f32"}));
        assert!(missing.contains("/nowhere/clip/config.json"), "{missing}");
        let precision = error(json!({"model": "/nowhere/clip", "precision": "f8"}));
        assert!(precision.contains("f8"), "{precision}");
        let llama = error(json!({"model": golden("llama"), "precision": "f32"}));
        assert!(llama.contains("tests/golden/llama"), "{llama}");
    }
}
