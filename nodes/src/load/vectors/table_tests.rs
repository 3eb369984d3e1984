//! Files of vectors of each format, and what is wrong with some.

#![expect(clippy::print_stderr, reason = "says which tests are skipped")]

use std::collections::BTreeMap;

use trommel_checkpoint::{TensorSpec, write_safetensors};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn tensors(&self, tensors: &[(&str, &[usize], &[f32])]) -> PathBuf {
        let path = self.0.path().join("v.safetensors");
        let tensors = tensors.iter().map(|(name, shape, values)| {
            let spec = TensorSpec {
                name: (*name).into(),
                dtype: Dtype::F32,
                shape: shape.to_vec(),
            };
            (
                spec,
                Cow::Owned(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            )
        });
        write_safetensors(&path, tensors, &BTreeMap::new()).unwrap();
        path
    }

    /// As numpy.save of a matrix of float64.
    fn npy(&self, shape: &str, values: &[f64]) -> PathBuf {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let path = self.0.path().join("v.npy");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn whole(rows: usize) -> Positions {
    Positions::new((0..rows).collect())
}

fn error(path: &Path, rows: usize) -> String {
    Vectors::open(path, &whole(rows))
        .and_then(|v| v.read(0..rows))
        .unwrap_err()
        .to_string()
}

#[test]
fn matrices_give_any_range_of_rows() {
    let folder = Folder::new();
    let files = [
        folder.tensors(&[("features", &[3, 2], &[0., 1., 2., 3., 4., 5.])]),
        folder.npy("3, 2", &[0., 1., 2., 3., 4., 5.]),
    ];
    for file in files {
        let vectors = Vectors::open(&file, &whole(3)).unwrap();
        assert_eq!((vectors.len(), vectors.dim()), (3, 2));
        assert_eq!(vectors.read(0..3).unwrap(), [0., 1., 2., 3., 4., 5.]);
        assert_eq!(vectors.read(1..2).unwrap(), [2., 3.]);
        assert_eq!(vectors.read(2..9).unwrap(), [4., 5.]);
    }
}

#[test]
fn a_file_for_the_full_data_set_serves_rows_that_are_left() {
    let folder = Folder::new();
    let file = folder.npy("4, 1", &[0., 1., 2., 3.]);
    let vectors = Vectors::open(&file, &Positions::new(vec![0, 2])).unwrap();
    assert_eq!(vectors.read(2..3).unwrap(), [2.]);
    assert!(error(&file, 3).contains("4 vectors"));
    let beyond = Vectors::open(&file, &Positions::new(vec![0, 4])).unwrap_err();
    assert!(beyond.to_string().contains("5 rows"), "{beyond}");
}

#[test]
fn misfits_are_told() {
    let folder = Folder::new();
    let fine = [0., 1., 2., 3., 4., 5.];
    let text = error(&folder.tensors(&[("v", &[3, 2], &fine)]), 4);
    assert!(
        text.contains("3 vectors") && text.contains("4 rows"),
        "{text}"
    );
    let text = error(&folder.tensors(&[("v", &[6], &fine)]), 6);
    assert!(text.contains("`v` is F32 [6]"), "{text}");
    let text = error(
        &folder.tensors(&[("a", &[1], &[0.]), ("b", &[1], &[0.])]),
        1,
    );
    assert!(text.contains("2 tensors (`a`, `b`)"), "{text}");
    let text = error(
        &folder.tensors(&[("v", &[3, 2], &[0., 1., f32::NAN, 3., 4., f32::INFINITY])]),
        3,
    );
    assert!(text.contains("unique_idx 1, 2"), "{text}");
    let text = error(&folder.npy("2, 1", &[1e300, 1.0]), 2);
    assert!(text.contains("unique_idx 0"), "{text}");
    let text = error(&folder.npy("2, 2", &[1.0; 3]), 2);
    assert!(text.contains("cut off"), "{text}");
    assert!(error(Path::new("v.csv"), 1).contains(".npy"));
    assert!(error(Path::new("absent.npy"), 1).contains("absent.npy"));
}

#[test]
fn the_published_program_s_dictionary() {
    let Some(folder) = std::env::var_os("TROMMEL_ORACLE").map(PathBuf::from) else {
        eprintln!("skipped: TROMMEL_ORACLE is not set");
        return;
    };
    let dictionary = Vectors::open(
        &folder.join("data/scores/llava_clip_feature.pt"),
        &whole(76),
    )
    .unwrap();
    let matrix = Vectors::open(
        &folder.join("golden/2_clip/clip_features.safetensors"),
        &whole(76),
    )
    .unwrap();
    assert_eq!((dictionary.len(), dictionary.dim()), (76, 48));
    assert_eq!(dictionary.read(0..76).unwrap(), matrix.read(0..76).unwrap());
    let text = error(&folder.join("projector/mm_projector.bin"), 2);
    assert!(text.contains("none named `0`"), "{text}");
}
