//! Tiny images of every mode against what PIL and transformers made of them (recorded by `make_images.py`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use trommel_media::{ImageError, Preprocess, clip_pixels, decode};

#[derive(Deserialize)]
struct Golden {
    configs: BTreeMap<String, serde_json::Value>,
    images: BTreeMap<String, Option<Image>>,
}

#[derive(Deserialize)]
struct Image {
    width: usize,
    height: usize,
    rgb: String,
    #[serde(flatten)]
    pixels: BTreeMap<String, String>,
}

/// PIL reads these; here they are refused with a clear word, for no library decodes them to the same bytes.
const NOT_READ: [&str; 3] = ["five_bits.bmp", "five_six_five.bmp", "palette.tif"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn golden() -> Golden {
    let text = std::fs::read_to_string(folder().join("images.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join("images").join(name)).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    let byte = |d: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap();
    digits.iter().map(byte).collect()
}

#[test]
fn every_mode_decodes_as_in_pil() {
    let mut wrong = Vec::new();
    let golden = golden().images;
    assert!(golden.len() > 50);
    for (name, golden) in golden {
        match (decode(&bytes(&name)), golden) {
            (Ok(image), Some(golden)) => {
                let rgb = hex(&golden.rgb);
                let pairs = image.data.iter().zip(&rgb);
                let differ = pairs.filter(|(a, b)| a != b).count();
                let sizes = (image.width, image.height) == (golden.width, golden.height);
                if !sizes || differ > 0 || image.data.len() != rgb.len() {
                    wrong.push(format!("{name}: {differ} of {} bytes differ", rgb.len()));
                }
            }
            (Err(ImageError::UnsupportedPixels { .. }), Some(_)) if NOT_READ.contains(&&*name) => {}
            (Err(error), Some(_)) => wrong.push(format!("{name}: {error}")),
            (Ok(_), None) => wrong.push(format!("{name}: PIL refuses it")),
            (Err(_), None) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pixel_values_are_those_of_transformers() {
    let golden = golden();
    let mut compared = 0;
    for (config, text) in &golden.configs {
        let preprocess = Preprocess::from_json(&text.to_string()).unwrap();
        for (name, image) in &golden.images {
            let Some(values) = image.as_ref().and_then(|i| i.pixels.get(config)) else {
                continue;
            };
            let ours = clip_pixels(&decode(&bytes(name)).unwrap(), &preprocess);
            let ours: Vec<u8> = ours.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert!(ours == hex(values), "{name}, {config}");
            compared += 1;
        }
    }
    assert_eq!(compared, 12);
}

#[test]
fn what_is_wrong_is_told() {
    let error = |name| decode(&bytes(name)).unwrap_err();
    assert!(matches!(error("empty.png"), ImageError::Empty));
    assert!(matches!(
        error("text.jpg"),
        ImageError::UnknownFormat { .. }
    ));
    for name in [
        "half_rgb_2.jpg",
        "no_end.jpg",
        "half_rgb.png",
        "half_palette.gif",
    ] {
        assert!(
            matches!(error(name), ImageError::Truncated { .. }),
            "{name}: {:?}",
            error(name)
        );
    }
    assert!(matches!(error("spoilt.png"), ImageError::Damaged { .. }));
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let mut png = bytes("rgb.png");
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0x40, 0]);
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let text = decode(&png).unwrap_err().to_string();
    let want = "the image says it is 65536 x 16384 = 1073741824 pixels; at most 178956970 are read";
    assert_eq!(text, want);
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc))
    })
}
