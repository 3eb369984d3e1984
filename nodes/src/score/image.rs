//! Measures of each row's image: size, sharpness, light and colour, hashes to find images that look alike.
//!
//! One column for each measure, `image_` and its name. docs/measures.md defines them all. Images are decoded as PIL does;
//! EXIF orientation is ignored, alpha dropped. Where only size and format are asked for, only the head of a file is read (and
//! damage behind it is not seen). An image that several rows share is read once. A row without an image gets nulls; an
//! image that cannot be read is a row error that names the file.
//!
//! ```yaml
//! picture: { kind: score.image, input: instructions, measures: [width, height, blur, phash] }
//! ```

use std::fs::File;
use std::io::{self, Read};

use rayon::prelude::*;
use trommel_engine::node::prelude::*;
use trommel_engine::table::strings;
use trommel_media::{Header, ImageError, decode, header};

use self::measure::{Measure, Picture, Pixels};
use super::measures::{Value, batch, refuse_list};
use crate::load::with_causes;

mod hash;
pub mod measure;
mod pixels;

/// Measures of images.
pub struct Image;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows.
    pub input: TableRef,
    /// What to measure.
    pub measures: Vec<Measure>,
    /// The column of image files.
    #[serde(default = "image")]
    pub image: String,
}

fn image() -> String {
    "image".into()
}

impl Kind for Image {
    const NAME: &'static str = "score.image";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        refuse_list(&config.measures, contract);
        contract
            .table("input", &config.input)
            .reads_files(&config.image);
        let port = contract.port("rows", RowsOf::Input("input"));
        for (name, ty) in config.measures.iter().map(|m| m.column()) {
            port.gives(name, ty);
        }
        contract.row_wise();
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::rows(Measured {
            measures: config.measures.clone(),
            image: config.image.clone(),
        }))
    }
}

struct Measured {
    measures: Vec<Measure>,
    image: String,
}

impl RowNode for Measured {
    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError> {
        let paths = rows
            .column_by_name(&self.image)
            .ok_or_else(|| NodeError::new(format!("there is no column `{}`", self.image)))?;
        let paths = strings(paths)?;
        // The engine hands over every content once, whatever the number of rows that show it.
        let measured: Vec<Result<Vec<Value>, String>> = (0..rows.num_rows())
            .into_par_iter()
            .map(|row| {
                if !paths.is_valid(row) || context.check_cancelled().is_err() {
                    return Ok(self.nothing());
                }
                self.measure(paths.value(row))
            })
            .collect();
        context.check_cancelled()?;
        let mut failed = Vec::new();
        let mut values = Vec::with_capacity(measured.len());
        for (row, measured) in measured.into_iter().enumerate() {
            values.push(measured.unwrap_or_else(|reason| {
                failed.push(RowFailure { row, reason });
                self.nothing()
            }));
        }
        let columns: Vec<_> = self.measures.iter().map(|m| m.column()).collect();
        Ok(RowOutput {
            columns: batch(&columns, &values)?,
            failed,
        })
    }
}

impl Measured {
    fn nothing(&self) -> Vec<Value> {
        vec![Value::None; self.measures.len()]
    }

    /// The error names the file.
    fn measure(&self, path: &str) -> Result<Vec<Value>, String> {
        let needs_pixels = self.measures.iter().any(|m| m.needs_pixels());
        let read = if needs_pixels { whole } else { head };
        let picture = match read(path) {
            Ok(Ok(picture)) => picture,
            Ok(Err(error)) => return Err(format!("{path}: {}", with_causes(&error))),
            Err(error) => return Err(format!("cannot read {path}: {error}")),
        };
        Ok(self.measures.iter().map(|m| m.measure(&picture)).collect())
    }
}

/// Of the file or of what it holds.
type ReadPicture = io::Result<Result<Picture, ImageError>>;

/// A file with its pixels.
fn whole(path: &str) -> ReadPicture {
    let bytes = std::fs::read(path)?;
    let picture = header(&bytes).and_then(|header| {
        Ok(Picture {
            bytes: bytes.len() as u64,
            header,
            pixels: Some(Pixels::new(decode(&bytes)?)),
        })
    });
    Ok(picture)
}

/// Nearly every head ends within so many bytes; a large thumbnail or colour profile may stand before it.
const HEAD: u64 = 1 << 16;

/// A file's size and head.
fn head(path: &str) -> ReadPicture {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    let size = file.metadata()?.len();
    (&mut file).take(HEAD).read_to_end(&mut bytes)?;
    let mut found: Result<Header, ImageError> = header(&bytes);
    if found.is_err() && size > HEAD {
        file.read_to_end(&mut bytes)?;
        found = header(&bytes);
    }
    Ok(found.map(|header| Picture {
        bytes: size,
        header,
        pixels: None,
    }))
}

#[cfg(test)]
mod tests;
