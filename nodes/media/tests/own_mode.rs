//! Crops of images that are resized in the mode of their file, against PIL: the tiny images of every mode (recorded by
//! `make_own_mode.py`), and those of `ImageReward`'s golden data. A further folder of that is named by `TROMMEL_IMAGEREWARD`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::Value;
use trommel_media::{ImageError, crop_in_own_mode};

/// PIL reads these; here they are refused with a clear word.
const NOT_READ: [&str; 3] = ["five_bits.bmp", "five_six_five.bmp", "palette.tif"];

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        write!(text, "{b:02x}").unwrap();
        text
    })
}

#[test]
fn every_mode_is_resized_as_in_pil() {
    let text = std::fs::read_to_string(tests().join("own_mode.json")).unwrap();
    let golden: BTreeMap<String, BTreeMap<String, Option<String>>> =
        serde_json::from_str(&text).unwrap();
    assert!(golden.len() > 50);
    let mut wrong = Vec::new();
    for (name, sides) in golden {
        let bytes = std::fs::read(tests().join("images").join(&name)).unwrap();
        for (side, golden) in sides {
            match (crop_in_own_mode(&bytes, side.parse().unwrap()), golden) {
                (Ok(image), Some(golden)) if hex(&image.data) == golden => {}
                (Err(_), None) => {}
                (Err(ImageError::UnsupportedPixels { .. }), _) if NOT_READ.contains(&&*name) => {}
                (Ok(_), Some(_)) => wrong.push(format!("{name}, {side}: other pixels")),
                (Ok(_), None) => wrong.push(format!("{name}, {side}: PIL refuses it")),
                (Err(error), Some(_)) => wrong.push(format!("{name}, {side}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn image_reward_sees_the_pixels_that_the_original_saw() {
    compare(&tests().join("../../../tests/golden/imagereward"));
    match std::env::var_os("TROMMEL_IMAGEREWARD") {
        Some(folder) => compare(Path::new(&folder)),
        #[expect(clippy::print_stderr, reason = "a skipped check says so")]
        None => eprintln!("TROMMEL_IMAGEREWARD is not set: only the repository's own images"),
    }
}

fn compare(folder: &Path) {
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let file = std::fs::read(folder.join("golden.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let crops = tensors.tensor("crop_u8").unwrap();
    let side = crops.shape()[1];
    let read = |image: &Value| std::fs::read(folder.join(image["file"].as_str().unwrap())).unwrap();
    let images = expected["images"].as_array().unwrap();
    assert_eq!(crops.shape(), [images.len(), side, side, 3]);
    for (image, golden) in images
        .iter()
        .zip(crops.data().chunks_exact(side * side * 3))
    {
        let ours = crop_in_own_mode(&read(image), side).unwrap();
        let differ = ours.data.iter().zip(golden).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 0, "{}: bytes that differ", image["file"]);
    }
    let rejected = expected["rejected_images"].as_array().unwrap();
    assert!(!rejected.is_empty());
    for image in rejected {
        let error = crop_in_own_mode(&read(image), side).unwrap_err();
        assert!(matches!(error, ImageError::DeepGrey), "{error}");
    }
}
