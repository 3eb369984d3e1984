//! The images of a training run: all are read once before it starts, and the trainer asks for them one by one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tch::{Device, Tensor};
use trommel_media::RgbImage;

use super::samples::ImageFile;
use crate::train::{PixelError, PixelSource};
use crate::work::images::Images;
use crate::work::{Events, WorkError, parallel};

/// Bytes of images, as the vision tower sees them, that are kept in memory. At 336 x 336 pixels that is 3,170 images.
const ROOM: usize = 1 << 30;
/// Images between two notes on how far the reading is.
const NOTED: usize = 1000;

/// All images as the vision tower sees them: decoded and cut to size, in bytes.
pub(super) struct Pixels {
    images: Images,
    count: usize,
    kept: HashMap<usize, RgbImage>,
    spilled: Spilled,
}

/// Images that are kept in a file without a name, which goes with the process.
struct Spilled {
    file: File,
    /// Bytes written.
    end: u64,
    /// Place, height and width.
    places: HashMap<usize, (u64, usize, usize)>,
}

/// Reads every image once, so that one that is damaged shows now and not after hours of training, and none is decoded again for every
/// pass. `folder`: where those that have no room in memory are kept.
pub(super) fn read_all(
    files: &[ImageFile],
    images: Images,
    threads: NonZero<usize>,
    folder: &Path,
    events: &mut dyn Events,
) -> Result<Pixels, WorkError> {
    let spill_error = |source| WorkError::Write {
        path: folder.to_owned(),
        source,
    };
    let mut spilled = Spilled::new(folder).map_err(spill_error)?;
    let (mut kept, mut room) = (HashMap::new(), ROOM);
    let (mut count, mut first) = (0, Vec::new());
    let read = |file: &ImageFile| images.read(&file.path);
    parallel::in_order(files, threads, read, |number, image| {
        match image {
            Ok(image) if image.data.len() <= room => {
                room -= image.data.len();
                kept.insert(number, image);
            }
            Ok(image) => spilled.put(number, &image).map_err(spill_error)?,
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
        images,
        count: files.len(),
        kept,
        spilled,
    })
}

impl Spilled {
    fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(folder)?,
            end: 0,
            places: HashMap::new(),
        })
    }

    fn put(&mut self, number: usize, image: &RgbImage) -> io::Result<()> {
        self.file.write_all(&image.data)?;
        let place = (self.end, image.height, image.width);
        self.places.insert(number, place);
        self.end += image.data.len() as u64;
        Ok(())
    }

    fn get(&self, number: usize) -> io::Result<RgbImage> {
        let missing = || io::Error::other("there is no such image");
        let &(start, height, width) = self.places.get(&number).ok_or_else(missing)?;
        let mut data = vec![0; 3 * height * width];
        self.file.read_exact_at(&mut data, start)?;
        Ok(RgbImage {
            height,
            width,
            data,
        })
    }
}

impl PixelSource for Pixels {
    fn count(&self) -> usize {
        self.count
    }

    fn pixels(&mut self, images: &[usize], device: Device) -> Result<Tensor, PixelError> {
        let mut crops = Vec::with_capacity(images.len());
        for &number in images {
            crops.push(match self.kept.get(&number) {
                Some(kept) => kept.clone(),
                None => self.spilled.get(number).map_err(|e| (number, e.into()))?,
            });
        }
        Ok(self.images.batch(&crops, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spilled_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut spilled = Spilled::new(folder.path()).unwrap();
        let image = |side: usize, value: u8| RgbImage {
            height: side,
            width: side,
            data: vec![value; 3 * side * side],
        };
        spilled.put(7, &image(2, 1)).unwrap();
        spilled.put(3, &image(3, 2)).unwrap();
        assert_eq!(spilled.get(3).unwrap().data, image(3, 2).data);
        assert_eq!(spilled.get(7).unwrap().data, image(2, 1).data);
        assert!(spilled.get(4).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
