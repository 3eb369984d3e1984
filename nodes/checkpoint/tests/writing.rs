//! Writes safetensors files and reads them back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use trommel_checkpoint::{Checkpoint, Dtype, SafetensorsWriter, TensorSpec, write_safetensors};

fn spec(name: &str, dtype: Dtype, shape: &[usize]) -> TensorSpec {
    TensorSpec {
        name: name.into(),
        dtype,
        shape: shape.to_vec(),
    }
}

#[test]
fn what_is_written_is_read_with_each_tensor_aligned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors = [
        (spec("flags", Dtype::Bool, &[3]), vec![1, 0, 1]),
        (spec("halves", Dtype::BF16, &[1]), vec![0x80, 0x3f]),
        (
            spec("score_net.weight", Dtype::F32, &[1, 2]),
            1.5_f32.to_le_bytes().repeat(2),
        ),
    ];
    let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
    let data = tensors
        .iter()
        .map(|(s, bytes)| (s.clone(), Cow::Borrowed(bytes.as_slice())));
    write_safetensors(&path, data, &metadata).unwrap();

    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(
        checkpoint
            .require("score_net.weight")
            .unwrap()
            .to_f32()
            .unwrap(),
        [1.5, 1.5]
    );
    let file = std::fs::read(&path).unwrap();
    let (header, read) = safetensors::SafeTensors::read_metadata(&file).unwrap();
    assert_eq!(read.metadata().as_ref().unwrap()["format"], "pt");
    for (spec, bytes) in &tensors {
        assert_eq!(checkpoint.get(&spec.name).unwrap().data, bytes.as_slice());
        let start = 8 + header + read.info(&spec.name).unwrap().data_offsets.0;
        assert_eq!(start % spec.dtype.size(), 0, "{}", spec.name);
    }
}

#[test]
fn an_unfinished_file_leaves_nothing_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, "before").unwrap();
    let specs = vec![spec("a", Dtype::U8, &[2]), spec("b", Dtype::U8, &[1])];
    let mut writer = SafetensorsWriter::create(&path, specs, &BTreeMap::new()).unwrap();
    assert!(
        writer
            .write("a", &[1])
            .unwrap_err()
            .to_string()
            .contains("need 2")
    );
    writer.write("b", &[1]).unwrap();
    assert!(
        writer
            .write("b", &[1])
            .unwrap_err()
            .to_string()
            .contains("twice")
    );
    assert!(
        writer
            .write("c", &[1])
            .unwrap_err()
            .to_string()
            .contains("`c`")
    );
    drop(writer);
    let writer =
        SafetensorsWriter::create(&path, vec![spec("a", Dtype::U8, &[2])], &BTreeMap::new())
            .unwrap();
    assert!(writer.finish().unwrap_err().to_string().contains("`a`"));
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn impossible_layouts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let refused = |specs| {
        SafetensorsWriter::create(&path, specs, &BTreeMap::new())
            .unwrap_err()
            .to_string()
    };
    let twice = refused(vec![
        spec("a", Dtype::U8, &[1]),
        spec("a", Dtype::F32, &[1]),
    ]);
    assert!(twice.contains("two tensors"), "{twice}");
    let huge = refused(vec![spec("a", Dtype::F64, &[usize::MAX, 2])]);
    assert!(huge.contains("overflows"), "{huge}");
    let reserved = refused(vec![spec("__metadata__", Dtype::U8, &[1])]);
    assert!(reserved.contains("reserved"), "{reserved}");
}

proptest! {
    #[test]
    fn any_set_of_tensors_comes_back(shapes in prop::collection::btree_map("[a-z.\"\\\\\u{e9}]{1,12}", prop::collection::vec(0_usize..4, 0..4), 0..8)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let dtypes = [Dtype::I64, Dtype::U8, Dtype::F16, Dtype::F32];
        let tensors: Vec<(TensorSpec, Vec<u8>)> = shapes.iter().enumerate().map(|(i, (name, shape))| {
            let dtype = dtypes[i % dtypes.len()];
            let bytes = shape.iter().product::<usize>() * dtype.size();
            (spec(name, dtype, shape), (0..bytes).map(|b| (b + i) as u8).collect())
        }).collect();
        write_safetensors(&path, tensors.iter().map(|(s, b)| (s.clone(), Cow::Borrowed(b.as_slice()))), &BTreeMap::new()).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        prop_assert_eq!(checkpoint.len(), tensors.len());
        for (spec, bytes) in &tensors {
            let read = checkpoint.get(&spec.name).unwrap();
            prop_assert_eq!(read.dtype, spec.dtype);
            prop_assert_eq!(read.shape, spec.shape.as_slice());
            prop_assert_eq!(read.data.as_ref(), bytes.as_slice());
        }
    }
}
