//! Weights as safetensors files, in shards with an index where one file would be too large.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;
use tch::Tensor;
use trommel_checkpoint::SafetensorsWriter;

use super::cannot_write;
use crate::weights::write::{bytes_of, put, spec};
use crate::work::{WorkError, in_model};

type Named<'a> = (&'a str, &'a Tensor);

/// Writes the tensors in their order and kinds, at most `most` bytes of them in a file (but one at least), and calls `done` with
/// the name of each finished file. Not more than one tensor's bytes are in memory at a time.
pub(super) fn write(
    tensors: &[Named<'_>],
    folder: &Path,
    most: usize,
    done: &mut dyn FnMut(&str) -> Result<(), WorkError>,
) -> Result<(), WorkError> {
    let shards = split(tensors, most);
    let [whole] = &shards[..] else {
        return write_shards(&shards, folder, done);
    };
    let name = "model.safetensors";
    write_file(whole, &folder.join(name))?;
    done(name)
}

fn write_shards(
    shards: &[&[Named<'_>]],
    folder: &Path,
    done: &mut dyn FnMut(&str) -> Result<(), WorkError>,
) -> Result<(), WorkError> {
    let (mut places, mut total) = (BTreeMap::new(), 0);
    for (number, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{:05}.safetensors", number + 1, shards.len());
        write_file(shard, &folder.join(&name))?;
        done(&name)?;
        total += shard
            .iter()
            .map(|(_, tensor)| bytes_of(tensor))
            .sum::<usize>();
        places.extend(shard.iter().map(|(tensor, _)| (*tensor, name.clone())));
    }
    let name = "model.safetensors.index.json";
    let index = json!({ "metadata": { "total_size": total }, "weight_map": places });
    let path = folder.join(name);
    fs::write(&path, format!("{index:#}\n")).map_err(cannot_write(&path))?;
    done(name)
}

/// Consecutive tensors that fit into a file together.
fn split<'t, 'a>(tensors: &'t [Named<'a>], most: usize) -> Vec<&'t [Named<'a>]> {
    let mut shards = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, (_, tensor)) in tensors.iter().enumerate() {
        let more = bytes_of(tensor);
        if bytes + more > most && at > start {
            shards.push(&tensors[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += more;
    }
    shards.push(&tensors[start..]);
    shards
}

pub(super) fn write_file(tensors: &[Named<'_>], path: &Path) -> Result<(), WorkError> {
    let specs = tensors.iter().map(|(name, tensor)| spec(name, tensor));
    // `transformers` refuses a file that does not say this.
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let wrong = || in_model(path.parent().unwrap_or(path));
    let mut writer = SafetensorsWriter::create(path, specs.collect(), &metadata).map_err(wrong())?;
    for (name, tensor) in tensors {
        put(&mut writer, name, tensor).map_err(wrong())?;
    }
    writer.finish().map_err(wrong())
}

#[cfg(test)]
mod tests {
    use trommel_checkpoint::Checkpoint;

    use tch::{Device, Kind};

    use super::*;

    fn named() -> Vec<(String, Tensor)> {
        let tensor =
            |at: i64, kind| (Tensor::arange(4 + at, (kind, Device::Cpu)) / 3).to_kind(kind);
        let kinds = [Kind::Float, Kind::BFloat16, Kind::Float, Kind::Half];
        kinds
            .into_iter()
            .enumerate()
            .map(|(at, kind)| (format!("layer.{at}"), tensor(at as i64, kind)))
            .collect()
    }

    /// The files that `most` bytes a file give, after a look at what is in them.
    fn files(most: usize) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let named = named();
        let tensors: Vec<Named<'_>> = named.iter().map(|(n, t)| (n.as_str(), t)).collect();
        let mut files = Vec::new();
        write(&tensors, folder.path(), most, &mut |name| {
            assert!(folder.path().join(name).is_file());
            files.push(name.to_owned());
            Ok(())
        })
        .unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(checkpoint.len(), named.len());
        for (name, tensor) in &named {
            let view = checkpoint.require(name).unwrap();
            assert_eq!(view.dtype, spec(name, tensor).dtype);
            let found = Tensor::from_slice(&view.to_f32().unwrap());
            assert_eq!(found, tensor.to_kind(Kind::Float));
        }
        files
    }

    #[test]
    fn one_file_where_it_fits_else_shards_and_an_index() {
        assert_eq!(files(1 << 20), ["model.safetensors"]);
        // 16, 10, 24 and 14 bytes.
        let shard = |number: u32, of: u32| format!("model-{number:05}-of-{of:05}.safetensors");
        let index = "model.safetensors.index.json".to_owned();
        assert_eq!(files(40), [shard(1, 2), shard(2, 2), index.clone()]);
        let each = [1, 2, 3, 4].map(|number| shard(number, 4));
        assert_eq!(files(1), [&each[..], &[index]].concat());
    }
}
