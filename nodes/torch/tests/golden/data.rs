//! The recorded folders: where they are, and how their files are read.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Kind, Tensor};
use trommel_checkpoint::{Checkpoint, Dtype};

pub(crate) struct Golden(PathBuf);

impl Golden {
    /// The repository's set, and that of `TROMMEL_ORACLE` where it is set.
    pub(crate) fn all() -> Vec<Self> {
        // Tests run side by side: more threads in each would only wait for each other.
        tch::set_num_threads(1);
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
        let other = std::env::var_os("TROMMEL_ORACLE").map(PathBuf::from);
        if other.is_none() {
            eprintln!("TROMMEL_ORACLE is not set: only the repository's own numbers are checked");
        }
        [here].into_iter().chain(other).map(Self).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    pub(crate) fn tensors(&self, name: &str) -> Checkpoint {
        Checkpoint::open(&self.path(name)).unwrap()
    }

    /// File names in a folder, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A float32 or int64 tensor as it stands in the file.
pub(crate) fn tensor(file: &Checkpoint, name: &str) -> Tensor {
    let view = file.require(name).unwrap();
    let shape: Vec<i64> = view.shape.iter().map(|&n| n as i64).collect();
    let kind = match view.dtype {
        Dtype::F32 => Kind::Float,
        Dtype::I64 => Kind::Int64,
        other => panic!("{name}: {other}"),
    };
    Tensor::from_data_size(&view.data, &shape, kind)
}

/// The largest difference between elements. NaN on either side counts as infinite.
pub(crate) fn worst(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let difference = (found - expected).abs().to_kind(Kind::Double);
    difference
        .nan_to_num(f64::INFINITY, f64::INFINITY, f64::INFINITY)
        .max()
        .double_value(&[])
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .collect()
}

pub(crate) fn integers(value: &Value) -> Vec<i64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_i64().unwrap())
        .collect()
}

pub(crate) fn tokens(value: &Value) -> Vec<i32> {
    integers(value)
        .into_iter()
        .map(|id| i32::try_from(id).unwrap())
        .collect()
}
