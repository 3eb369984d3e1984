//! The images of a training run: all are read once before it starts, and the trainer asks for them one by one.

use std::collections::HashMap;
use std::error::Error;
use std::num::NonZero;

use tch::Tensor;
use trommel_media::RgbImage;

use super::samples::ImageFile;
use crate::train::PixelSource;
use crate::work::images::Images;
use crate::work::{Events, WorkError, parallel};

/// Bytes of images, as the vision tower sees them, that are kept. At 336 x 336 pixels that is 3,170 images.
const ROOM: usize = 1 << 30;
/// Images between two notes on how far the reading is.
const NOTED: usize = 1000;

/// Images by their numbers.
pub(super) struct Pixels {
    files: Vec<ImageFile>,
    images: Images,
    kept: HashMap<usize, RgbImage>,
}

/// Reads every image, so that one that is damaged shows now and not after hours of training.
pub(super) fn check_all(
    files: Vec<ImageFile>,
    images: Images,
    threads: NonZero<usize>,
    events: &mut dyn Events,
) -> Result<Pixels, WorkError> {
    let (mut kept, mut room) = (HashMap::new(), ROOM);
    let (mut count, mut first) = (0, Vec::new());
    let read = |file: &ImageFile| images.read(&file.path);
    parallel::in_order(&files, threads, read, |number, image| {
        match image {
            Ok(image) if image.data.len() <= room => {
                room -= image.data.len();
                kept.insert(number, image);
            }
            Ok(_) => {}
            Err(reason) => {
                count += 1;
                if first.len() < WorkError::SHOWN {
                    first.push(format!("unique_idx {}: {reason}", files[number].unique_idx));
                }
            }
        }
        let done = number + 1;
        if done % NOTED == 0 {
            events.log(format!("read {done} of {} images", files.len()))?;
        }
        Ok::<(), WorkError>(())
    })?;
    if count > 0 {
        return Err(WorkError::Rows {
            what: "images cannot be read",
            count,
            first,
        });
    }
    Ok(Pixels {
        files,
        images,
        kept,
    })
}

impl PixelSource for Pixels {
    fn pixels(&mut self, image: usize) -> Result<Tensor, Box<dyn Error + Send + Sync>> {
        if let Some(kept) = self.kept.get(&image) {
            return Ok(self.images.pixels(kept));
        }
        let file = self.files.get(image).ok_or("there is no such image")?;
        let read = self.images.read(&file.path)?;
        Ok(self.images.pixels(&read))
    }
}
