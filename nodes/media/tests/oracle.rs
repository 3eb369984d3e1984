//! The published program's pixels, from a folder of golden data named by `TROMMEL_ORACLE`; skipped without it.

use std::path::PathBuf;

use safetensors::SafeTensors;
use serde_json::Value;
use trommel_media::{Preprocess, RgbImage, clip_pixels, decode};

fn oracle() -> Option<PathBuf> {
    let folder = std::env::var_os("TROMMEL_ORACLE").map(PathBuf::from);
    if folder.is_none() {
        #[expect(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: TROMMEL_ORACLE is not set");
        }
    }
    folder
}

fn image(folder: &std::path::Path, name: &str) -> RgbImage {
    let bytes = std::fs::read(folder.join("data/images").join(name)).unwrap();
    decode(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn decoded_bytes() {
    let Some(folder) = oracle() else { return };
    let file = std::fs::read(folder.join("golden/2_clip/decoded_rgb_odd.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    assert!(tensors.len() >= 14);
    for (name, tensor) in tensors.iter() {
        let image = image(&folder, name);
        assert_eq!(tensor.shape(), [image.height, image.width, 3], "{name}");
        let pairs = image.data.iter().zip(tensor.data());
        let differ = pairs.filter(|(a, b)| a != b).count();
        assert_eq!(differ, 0, "{name}: bytes that differ");
    }
}

#[test]
fn every_image_by_its_sums() {
    let Some(folder) = oracle() else { return };
    let text = std::fs::read_to_string(folder.join("golden/2_clip/image_info.json")).unwrap();
    let golden: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    for (name, golden) in golden {
        let image = image(&folder, &name);
        assert_eq!(
            golden["size_wh"],
            serde_json::json!([image.width, image.height]),
            "{name}"
        );
        let pixels = image.data.as_chunks::<3>().0;
        let sum = |c: usize| pixels.iter().map(|p| u64::from(p[c])).sum::<u64>();
        assert_eq!(
            golden["rgb_sum"],
            serde_json::json!([sum(0), sum(1), sum(2)]),
            "{name}"
        );
        assert_eq!(
            golden["rgb_pixel_0_0"],
            serde_json::json!(pixels[0]),
            "{name}"
        );
    }
}

#[test]
fn pixel_values() {
    let Some(folder) = oracle() else { return };
    let preprocess = Preprocess::load(&folder.join("clip")).unwrap();
    let file = std::fs::read(folder.join("golden/2_clip/pixel_values.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    assert!(tensors.len() >= 35);
    for (name, tensor) in tensors.iter() {
        assert_eq!(tensor.shape(), [3, 56, 56], "{name}");
        let ours = clip_pixels(&image(&folder, name), &preprocess);
        let golden = tensor.data().as_chunks::<4>().0;
        let pairs = ours.iter().zip(golden);
        let differ = pairs.filter(|(a, b)| a.to_le_bytes() != **b).count();
        assert_eq!(differ, 0, "{name}: values that differ");
        assert_eq!(ours.len(), golden.len(), "{name}");
    }
}
