//! What the images of rows are called in an output, and the rows as they stand in it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use arrow::array::StringArray;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Content, IMAGE, ImageNames};
use trommel_engine::table::strings;

/// The column of records as they stood in their file.
pub(super) const RAW: &str = "raw";

/// Relative names for the images of a table: those that the records themselves have, else, or where two images would have
/// one name, their places below the deepest folder that holds them all.
pub(super) fn image_names(table: &Table) -> Result<ImageNames, NodeError> {
    let images = images(table)?;
    let own = own_names(table, &images)?;
    if own
        .iter()
        .zip(&images)
        .all(|(own, image)| own.is_some() || image.is_none())
        && let Ok(names) = collect(&images, own)
    {
        return Ok(names);
    }
    let whole: Vec<Option<PathBuf>> = images
        .iter()
        .map(|i| i.as_deref().map(without_dots))
        .collect();
    let root = common_folder(whole.iter().flatten());
    let below = |path: &PathBuf| path.strip_prefix(&root).ok().and_then(name_of);
    let names = whole
        .iter()
        .map(|path| path.as_ref().and_then(below))
        .collect();
    collect(&images, names).map_err(|[one, other]| {
        NodeError::new(format!(
            "two images come to the same name: {} and {}",
            one.display(),
            other.display()
        ))
        .help("give them names of their own, without `..`")
    })
}

/// The names that the records themselves have, for a format that keeps the records as they are.
pub(super) fn names_of_records(table: &Table) -> Result<ImageNames, NodeError> {
    let images = images(table)?;
    let own = own_names(table, &images)?;
    let other = "write them as `sharegpt`, which names the images anew";
    if let Some(row) = (0..images.len()).find(|&row| images[row].is_some() && own[row].is_none()) {
        let image = images[row].as_deref().unwrap_or_default();
        return Err(NodeError::new(format!(
            "row {row}: its record does not name the image {image} relative to a folder, so that it cannot stand in another"
        ))
        .help(other));
    }
    collect(&images, own).map_err(|[one, two]| {
        NodeError::new(format!(
            "two records give the same name to other images: {} and {}",
            one.display(),
            two.display()
        ))
        .help(other)
    })
}

/// Paths of the images, row by row.
fn images(table: &Table) -> Result<Vec<Option<String>>, NodeError> {
    let mut all = Vec::with_capacity(table.rows());
    if table.column_index(IMAGE).is_some() {
        for array in table.arrays(IMAGE)? {
            all.extend(
                strings(&array)?
                    .iter()
                    .map(|image| image.map(ToOwned::to_owned)),
            );
        }
    } else {
        all.resize(table.rows(), None);
    }
    Ok(all)
}

/// What the records call their images, where that is the end of the image's path.
fn own_names(table: &Table, images: &[Option<String>]) -> Result<Vec<Option<String>>, NodeError> {
    if table.column_index(RAW).is_none() {
        return Ok(vec![None; images.len()]);
    }
    let mut names = Vec::with_capacity(images.len());
    for array in table.arrays(RAW)? {
        for raw in &strings(&array)? {
            let image = images[names.len()].as_deref();
            names.push(image.and_then(|image| own_name(raw?, image)));
        }
    }
    Ok(names)
}

pub(super) fn own_name(raw: &str, image: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        image: Option<String>,
    }
    let named: Named = serde_json::from_str(raw).ok()?;
    let written = named.image?;
    let name = name_of(Path::new(&written))?;
    Path::new(image).ends_with(&name).then_some(name)
}

/// A relative path as a name; none if it leaves its folder.
fn name_of(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Without `..`, which is taken by the letter.
fn without_dots(path: &str) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in Path::new(path).components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

fn common_folder<'a>(mut paths: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let folder = |path: &'a PathBuf| path.parent().unwrap_or(path);
    let Some(first) = paths.next() else {
        return PathBuf::new();
    };
    paths.fold(folder(first).to_owned(), |common, path| {
        let parts = common.components().zip(folder(path).components());
        parts.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    })
}

/// Else two images that would have one name.
fn collect(
    images: &[Option<String>],
    names: Vec<Option<String>>,
) -> Result<ImageNames, [PathBuf; 2]> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (image, name) in images.iter().zip(&names) {
        let (Some(image), Some(name)) = (image, name) else {
            continue;
        };
        match files.get(name) {
            None => {
                files.insert(name.clone(), image.into());
            }
            Some(other) if without_dots(image) == without_dots(&other.to_string_lossy()) => {}
            Some(other) => return Err([other.clone(), image.into()]),
        }
    }
    Ok(ImageNames {
        files,
        of_rows: names,
    })
}

/// The rows as they are written, chunk by chunk: where the images stand beside the output, `image` leads there, seen from
/// the output's folder.
pub(super) fn batches<'a>(
    content: &'a Content<'_>,
) -> impl Iterator<Item = Result<RecordBatch, NodeError>> + 'a {
    let mut first = 0;
    (0..content.table.chunks().len()).map(move |chunk| {
        let batch = content.table.batch(chunk)?;
        let rows = first..first + batch.num_rows();
        first = rows.end;
        let (Some(folder), Some(names)) = (content.image_folder, content.images) else {
            return Ok(batch);
        };
        let paths = names.of_rows[rows].iter();
        let paths: StringArray = paths
            .map(|n| n.as_ref().map(|n| format!("{folder}/{n}")))
            .collect();
        with_image(&batch, Arc::new(paths))
    })
}

/// The batch with another column `image`.
pub(super) fn with_image(batch: &RecordBatch, image: ArrayRef) -> Result<RecordBatch, NodeError> {
    let schema = schema_with_image(batch.schema_ref(), image.data_type());
    let place = schema.index_of(IMAGE)?;
    let mut columns = batch.columns().to_vec();
    columns[place] = image;
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

/// The schema with another type of the column `image`.
pub(super) fn schema_with_image(schema: &Schema, data_type: &DataType) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        if field.name() == IMAGE {
            Arc::new(Field::new(IMAGE, data_type.clone(), true))
        } else {
            field.clone()
        }
    });
    Schema::new(fields.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_their_folder() {
        for (path, name) in [
            ("a.png", Some("a.png")),
            ("./b/./a.png", Some("b/a.png")),
            ("../a.png", None),
            ("b/../../a.png", None),
            ("/a.png", None),
            ("", None),
        ] {
            assert_eq!(name_of(Path::new(path)).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn a_records_name_counts_where_the_image_is_so_called() {
        let name = |raw: &str| own_name(raw, "/data/train/a.png");
        assert_eq!(
            name(r#"{"image": "train/a.png"}"#).as_deref(),
            Some("train/a.png")
        );
        assert_eq!(name(r#"{"image": "./a.png"}"#).as_deref(), Some("a.png"));
        for other in [
            r#"{"image": "b.png"}"#,
            r#"{"image": "n/a.png"}"#,
            "{}",
            "[",
            r#"{"image": 1}"#,
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn the_folder_of_all() {
        for (paths, folder) in [
            (vec!["/a/b/x", "/a/c/y"], "/a"),
            (vec!["/a/b/x", "/a/b/y"], "/a/b"),
            (vec!["/a/b/x"], "/a/b"),
            (vec!["/a/b/x", "/a/bc/y"], "/a"),
            (vec!["/x", "/a/y"], "/"),
            (vec![], ""),
        ] {
            let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
            assert_eq!(common_folder(paths.iter()), Path::new(folder), "{paths:?}");
        }
    }

    #[test]
    fn one_name_for_two_images_is_seen() {
        let some = |names: &[&str]| {
            names
                .iter()
                .map(|n| Some((*n).to_owned()))
                .collect::<Vec<_>>()
        };
        let names = some(&["x", "x"]);
        let same = collect(&some(&["/a/x", "/a/b/../x"]), names.clone()).unwrap();
        assert_eq!(same.files.len(), 1);
        let two = collect(&some(&["/a/x", "/b/x"]), names).unwrap_err();
        assert_eq!(two, [PathBuf::from("/a/x"), PathBuf::from("/b/x")]);
    }
}
