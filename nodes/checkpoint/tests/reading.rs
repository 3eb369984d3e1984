//! Reads the files that `make_files.py` made with `PyTorch`; every value follows from its place.

use std::path::{Path, PathBuf};

use trommel_checkpoint::{Checkpoint, Dtype};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files")
        .join(name)
}

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(&path(name)).unwrap()
}

fn error(name: &str) -> String {
    let mut error: &dyn std::error::Error = &Checkpoint::open(&path(name)).unwrap_err();
    let mut text = error.to_string();
    while let Some(source) = error.source() {
        text = format!("{text}: {source}");
        error = source;
    }
    text
}

#[track_caller]
fn assert_tensor(checkpoint: &Checkpoint, name: &str, shape: &[usize], values: &[f32]) {
    let tensor = checkpoint.require(name).unwrap();
    assert_eq!(tensor.shape, shape, "{name}");
    assert_eq!(tensor.to_f32().unwrap(), values, "{name}");
}

#[test]
fn every_dtype_of_both_formats() {
    for name in ["dtypes.bin", "dtypes.safetensors"] {
        let checkpoint = open(name);
        assert_eq!(checkpoint.len(), 10);
        for float in ["float16", "bfloat16", "float32", "float64"] {
            assert_tensor(&checkpoint, float, &[2, 3], &[0., 1., 2., 3., 4., 5.]);
        }
        let bytes = |name: &str| checkpoint.get(name).unwrap().data.into_owned();
        assert_eq!(bytes("bool"), [0, 1, 1, 1, 1, 1]);
        assert_eq!(bytes("uint8"), [0, 1, 2, 3, 4, 5]);
        assert_eq!(bytes("int16")[..4], [0, 0, 1, 0]);
        assert_eq!(checkpoint.dtype("int64"), Some(Dtype::I64));
        assert_eq!(bytes("int64").len(), 48);
        assert_eq!(checkpoint.dtype("int8"), Some(Dtype::I8));
        assert_eq!(checkpoint.dtype("int32"), Some(Dtype::I32));
    }
}

#[test]
fn a_newer_pickle_protocol() {
    let checkpoint = open("protocol4.pt");
    assert_tensor(&checkpoint, "float32", &[2, 3], &[0., 1., 2., 3., 4., 5.]);
    assert_eq!(checkpoint.get("int64").unwrap().data.as_ref(), [0; 8]);
}

#[test]
fn views_with_strides_offsets_and_shared_storage() {
    let checkpoint = open("views.pt");
    let base: Vec<f32> = (0..24_u8).map(f32::from).collect();
    assert_tensor(&checkpoint, "base", &[4, 6], &base);
    let transposed: Vec<f32> = (0..24).map(|i| base[i % 4 * 6 + i / 4]).collect();
    assert_tensor(&checkpoint, "transposed", &[6, 4], &transposed);
    assert_tensor(&checkpoint, "column", &[4], &[2., 8., 14., 20.]);
    assert_tensor(&checkpoint, "inner", &[2, 3], &[7., 8., 9., 13., 14., 15.]);
    assert_tensor(&checkpoint, "last_row", &[6], &base[18..]);
    assert_tensor(
        &checkpoint,
        "every_second",
        &[2, 6],
        &[&base[..6], &base[12..18]].concat(),
    );
    assert_tensor(&checkpoint, "expanded", &[3, 2], &[7., 8., 7., 8., 7., 8.]);
    assert_tensor(&checkpoint, "scalar", &[], &[5.]);
    assert_tensor(&checkpoint, "empty", &[0, 4], &[]);
    let permuted: Vec<f32> = (0..24).map(|i| base[i % 6 * 4 + i / 6]).collect();
    assert_tensor(&checkpoint, "permuted", &[4, 2, 3], &permuted);
}

#[test]
fn contiguous_tensors_are_borrowed_from_the_file() {
    let checkpoint = open("views.pt");
    let borrowed = |name| {
        matches!(
            checkpoint.get(name).unwrap().data,
            std::borrow::Cow::Borrowed(_)
        )
    };
    assert!(borrowed("base") && borrowed("last_row"));
    assert!(!borrowed("transposed"));
}

#[test]
fn nested_containers_become_dotted_names() {
    // "list.2.0" is a torch.nn.Parameter: it counts as its tensor.
    let checkpoint = open("nested.pt");
    let names: Vec<&str> = checkpoint.names().collect();
    assert_eq!(
        names,
        ["model.layer.weight", "model.7", "list.0", "list.2.0"]
    );
    assert_tensor(&checkpoint, "list.2.0", &[3], &[0., 1., 2.]);
}

#[test]
fn a_state_dictionary() {
    let checkpoint = open("state_dict.pth");
    let names: Vec<&str> = checkpoint.names().collect();
    assert_eq!(names, ["0.weight", "0.bias", "1.weight"]);
    assert_tensor(&checkpoint, "0.weight", &[2, 3], &[0., 1., 2., 3., 4., 5.]);
}

#[test]
fn many_rows_of_one_storage() {
    let checkpoint = open("rows.pt");
    assert_eq!(checkpoint.len(), 54);
    for (i, name) in checkpoint.names().enumerate() {
        assert_eq!(name, i.to_string());
        let first = (3 * i) as f32;
        assert_tensor(&checkpoint, name, &[3], &[first, first + 1., first + 2.]);
    }
}

#[test]
fn shards_by_their_index() {
    for folder in ["shards_bin", "shards_safetensors"] {
        let checkpoint = open(folder);
        assert_eq!(checkpoint.len(), 3);
        assert_eq!(checkpoint.files().len(), 3);
        assert_tensor(&checkpoint, "first", &[2], &[0., 1.]);
        assert_tensor(&checkpoint, "second", &[3], &[10., 11., 12.]);
    }
}

#[test]
fn an_index_must_fit_its_shards() {
    let folder = tempfile::tempdir().unwrap();
    let shard = "pytorch_model-00001-of-00002.bin";
    std::fs::copy(path("shards_bin").join(shard), folder.path().join(shard)).unwrap();
    let refused = |weight_map: &str| {
        let text = format!(r#"{{"weight_map": {weight_map}}}"#);
        std::fs::write(folder.path().join("pytorch_model.bin.index.json"), text).unwrap();
        Checkpoint::open(folder.path()).unwrap_err().to_string()
    };
    let error = refused(&format!(r#"{{"nowhere": "{shard}"}}"#));
    assert!(
        error.contains("`nowhere`") && error.contains(shard),
        "{error}"
    );
    let error = refused(r#"{"first": "absent.bin"}"#);
    assert!(error.contains("absent.bin"), "{error}");
    for outside in ["../secret.bin", "/etc/passwd", "..", ""] {
        let error = refused(&format!(r#"{{"first": "{outside}"}}"#));
        assert!(error.contains("not a file name"), "{outside}: {error}");
    }
}

#[test]
fn what_is_not_plain_tensors_is_refused_by_name() {
    let text = error("executes.pt");
    assert!(text.contains("open"), "{text}");
    assert!(!Path::new("pickle-was-executed").exists());
    let text = error("whole_module.pt");
    assert!(
        text.contains("torch.nn.modules.container.Sequential"),
        "{text}"
    );
    let text = error("legacy.pt");
    assert!(text.contains("PyTorch 1.6"), "{text}");
    let text = error("bare_tensor.pt");
    assert!(text.contains("a single tensor"), "{text}");
}

#[test]
fn missing_files_and_tensors() {
    assert!(error("nothing_here").contains("nothing_here"));
    assert!(error("../files").contains("model.safetensors"));
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("model.safetensors");
    std::fs::write(&empty, "").unwrap();
    let text = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(text.contains("0 bytes"), "{text}");
    let other = folder.path().join("model.onnx");
    std::fs::write(&other, "x").unwrap();
    let text = Checkpoint::open(&other).unwrap_err().to_string();
    assert!(text.contains(".safetensors"), "{text}");

    let text = open("nested.pt")
        .require("model.layer.weights")
        .unwrap_err()
        .to_string();
    assert!(text.contains("`model.layer.weight`"), "{text}");
    let dtypes = open("dtypes.bin");
    assert!(dtypes.get("int64").unwrap().to_f32().is_err());
}
