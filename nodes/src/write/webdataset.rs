//! `WebDataset`: a folder of tar shards, a sample's image, text and other columns one behind the other.

use std::fs::{self, File};
use std::io::{BufWriter, IntoInnerError};
use std::path::Path;

use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use tar::{Builder, Header};
use trommel_engine::node::prelude::*;
use trommel_engine::node::{
    Companion, Content, Format, IMAGE, ImageNames, ImageUse, OutputContext,
};
use trommel_engine::table::strings;

use super::{beside, images};

/// Samples of a shard, and bytes after which a shard ends before it has so many.
const SHARD: Limits = Limits {
    samples: 10_000,
    bytes: 1 << 30,
};

/// `NAME-000000.tar` and so on in the folder NAME. A sample is the files `KEY.jpg` (or as its image is called; its bytes as
/// they are), `KEY.txt` (the column `text`) and `KEY.json` (all other columns); KEY is its place in the table, nine digits.
pub(super) struct WebDataset;

impl Format for WebDataset {
    fn name(&self) -> &'static str {
        "webdataset"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        &[]
    }

    fn images(&self) -> &'static [ImageUse] {
        &[ImageUse::Embed]
    }

    fn is_folder(&self) -> bool {
        true
    }

    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError> {
        images::image_names(table)
    }

    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError> {
        let name = content.output.file_name().unwrap_or_default();
        write(
            &name.to_string_lossy(),
            images::batches(content),
            path,
            SHARD,
        )
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}

#[derive(Clone, Copy)]
struct Limits {
    samples: usize,
    bytes: u64,
}

/// Puts the samples of the batches into shards called after `name`.
fn write(
    name: &str,
    batches: impl Iterator<Item = Result<RecordBatch, NodeError>>,
    folder: &Path,
    limits: Limits,
) -> Result<(), NodeError> {
    let open = |number: usize| {
        let shard = folder.join(format!("{name}-{number:06}.tar"));
        File::create(shard).map(|file| Builder::new(BufWriter::new(file)))
    };
    let (mut shards, mut samples, mut bytes, mut row) = (0, 0, 0, 0_usize);
    // A dataset without samples has a shard without samples.
    let mut shard = open(0)?;
    for batch in batches {
        for sample in samples_of(&batch?)? {
            if samples == limits.samples || bytes >= limits.bytes {
                close(shard)?;
                shards += 1;
                (samples, bytes) = (0, 0);
                shard = open(shards)?;
            }
            for (ending, member) in sample.members(row)? {
                // Nothing of the machine and the hour: equal samples make equal shards.
                let mut header = Header::new_ustar();
                header.set_size(member.len() as u64);
                header.set_mode(0o644);
                header.set_mtime(0);
                header.set_uid(0);
                header.set_gid(0);
                shard.append_data(&mut header, format!("{row:09}.{ending}"), member.as_slice())?;
                bytes += member.len() as u64;
            }
            samples += 1;
            row += 1;
        }
    }
    close(shard)?;
    Ok(())
}

/// Writes what is left, and the end that readers look for.
fn close(shard: Builder<BufWriter<File>>) -> std::io::Result<()> {
    let file = shard.into_inner()?.into_inner();
    file.map(drop).map_err(IntoInnerError::into_error)
}

struct Sample {
    image: Option<String>,
    text: Option<String>,
    rest: Vec<u8>,
}

fn samples_of(batch: &RecordBatch) -> Result<Vec<Sample>, NodeError> {
    let texts = |name: &str| -> Result<Vec<Option<String>>, NodeError> {
        match batch.column_by_name(name) {
            Some(column) if *column.data_type() == DataType::Utf8 => Ok(strings(column)?
                .iter()
                .map(|text| text.map(ToOwned::to_owned))
                .collect()),
            _ => Ok(vec![None; batch.num_rows()]),
        }
    };
    let is_own = |field: &Field| {
        *field.data_type() == DataType::Utf8 && [IMAGE, "text"].contains(&field.name().as_str())
    };
    let fields = batch.schema_ref().fields().iter().enumerate();
    let others = fields
        .filter(|(_, field)| !is_own(field))
        .map(|(place, _)| place);
    let others = batch.project(&others.collect::<Vec<_>>())?;
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(Vec::new());
    writer.write(&others)?;
    writer.finish()?;
    let lines = writer.into_inner();
    let rest = lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let samples = texts(IMAGE)?.into_iter().zip(texts("text")?).zip(rest);
    Ok(samples
        .map(|((image, text), rest)| Sample { image, text, rest })
        .collect())
}

impl Sample {
    /// Its files, by their endings.
    fn members(self, row: usize) -> Result<Vec<(String, Vec<u8>)>, NodeError> {
        let mut members = Vec::new();
        if let Some(image) = &self.image {
            let ending = Path::new(image).extension().and_then(|e| e.to_str());
            let ending = ending
                .map(str::to_ascii_lowercase)
                .filter(|e| !["json", "txt"].contains(&e.as_str()));
            let ending = ending.ok_or_else(|| {
                NodeError::new(format!("row {row}: the image {image} has no ending that says what it is"))
                    .help("a webdataset tells images by their endings: name the file .jpg, .png or as it is")
            })?;
            let bytes =
                fs::read(image).map_err(|e| NodeError::new(format!("cannot read {image}: {e}")))?;
            members.push((ending, bytes));
        }
        members.extend(self.text.map(|text| ("txt".into(), text.into_bytes())));
        members.push(("json".into(), self.rest));
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use tar::Archive;

    use super::*;

    /// Names in each shard of five samples in two batches, each sample `{"id":..}` of ten bytes.
    fn shards(samples: usize, bytes: u64) -> Vec<Vec<String>> {
        let batch = |ids: &[&str]| {
            let ids: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
            Ok(RecordBatch::try_from_iter([("id", ids)]).unwrap())
        };
        let folder = tempfile::tempdir().unwrap();
        let batches = [batch(&["a", "b", "c"]), batch(&["d", "e"])];
        let limits = Limits { samples, bytes };
        write("x", batches.into_iter(), folder.path(), limits).unwrap();
        let count = fs::read_dir(folder.path()).unwrap().count();
        let names = |number: usize| {
            let shard = File::open(folder.path().join(format!("x-{number:06}.tar"))).unwrap();
            let mut shard = Archive::new(shard);
            let entries = shard.entries().unwrap();
            let name = |e: std::io::Result<tar::Entry<'_, File>>| {
                let path = e.unwrap().path().unwrap().into_owned();
                path.display().to_string().replace("00000000", "")
            };
            entries.map(name).collect()
        };
        (0..count).map(names).collect()
    }

    #[test]
    fn shards_end_by_their_samples_or_bytes() {
        let all = ["0.json", "1.json", "2.json", "3.json", "4.json"];
        assert_eq!(shards(5, 1000), [&all[..]]);
        let twos = [&all[..2], &all[2..4], &all[4..]];
        assert_eq!(shards(2, 1000), twos);
        // A sample is never parted: the one that goes over the limit ends the shard.
        assert_eq!(shards(5, 11), twos);
        assert_eq!(shards(5, 1).len(), 5);
    }
}
