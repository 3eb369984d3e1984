//! What a checkpoint's `preprocessor_config.json` says about its images, with the defaults of transformers'
//! `CLIPImageProcessor`, or `SiglipImageProcessor` where it names that.

use std::f64::consts::PI;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::PreprocessError;

/// How an image becomes the input of a vision tower.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    /// `None`: the image keeps its size (`do_resize: false`).
    pub resize: Option<Size>,
    /// The filter of the resizing.
    pub filter: Filter,
    /// Height and width of the centre crop; `None` where `do_center_crop` is false.
    pub crop: Option<(usize, usize)>,
    /// What a byte is multiplied by; `None` where `do_rescale` is false.
    pub scale: Option<f64>,
    /// Mean and standard deviation of every channel; `None` where `do_normalize` is false.
    pub normalise: Option<([f64; 3], [f64; 3])>,
    /// The mean, which is also the colour that `LLaVA` pads with, even where it does not normalise.
    pub mean: [f64; 3],
}

/// The size that an image is resized to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The shorter side becomes this long, the other follows.
    ShortestEdge(usize),
    /// Both sides are given; proportions may change.
    Exact { height: usize, width: usize },
}

/// The filters of PIL's `resize` that are used by models. The numbers are PIL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// 1
    Lanczos,
    /// 2
    Bilinear,
    /// 3, with a = -0.5
    Bicubic,
}

impl Preprocess {
    /// Reads `preprocessor_config.json` in a checkpoint's folder.
    pub fn load(folder: &Path) -> Result<Self, PreprocessError> {
        let path = folder.join("preprocessor_config.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(PreprocessError::Read { path, source }),
        };
        Self::from_json(&text).map_err(|e| PreprocessError::InFile {
            path,
            source: Box::new(e),
        })
    }

    /// Reads the text of a `preprocessor_config.json`.
    pub fn from_json(text: &str) -> Result<Self, PreprocessError> {
        let mut file: Map<String, Value> = serde_json::from_str(text)?;
        let processor = file.get("image_processor_type").and_then(Value::as_str);
        if processor.is_some_and(|name| name.starts_with("SiglipImageProcessor")) {
            for (key, value) in siglip_defaults() {
                file.entry(key).or_insert(value);
            }
        }
        let file: File = serde_json::from_value(Value::Object(file))?;
        let mean = channels("image_mean", file.image_mean.as_ref(), MEAN)?;
        let std = channels("image_std", file.image_std.as_ref(), STD)?;
        if file.do_normalize && std.iter().any(|s| *s as f32 == 0.0) {
            return Err(value("image_std", file.image_std.as_ref(), "without zeros"));
        }
        Ok(Self {
            resize: if file.do_resize {
                Some(resize_size(file.size.as_ref())?)
            } else {
                None
            },
            filter: filter(file.resample.as_ref())?,
            crop: if file.do_center_crop {
                Some(crop_size(file.crop_size.as_ref())?)
            } else {
                None
            },
            scale: file.do_rescale.then_some(file.rescale_factor),
            normalise: file.do_normalize.then_some((mean, std)),
            mean,
        })
    }

    /// Height and width of what comes out; `None` where they follow the image.
    pub fn output_size(&self) -> Option<(usize, usize)> {
        self.crop.or(match self.resize {
            Some(Size::Exact { height, width }) => Some((height, width)),
            _ => None,
        })
    }

    /// The colour that `LLaVA` pads images with: the mean in bytes, cut off (not rounded).
    pub fn mean_colour(&self) -> [u8; 3] {
        self.mean.map(|m| (m * 255.0) as u8)
    }
}

impl Size {
    /// Width and height that an image of `width` x `height` is resized to.
    pub(crate) fn of(self, width: usize, height: usize) -> (usize, usize) {
        match self {
            Self::Exact { height, width } => (width, height),
            Self::ShortestEdge(edge) => {
                let (short, long) = (width.min(height), width.max(height));
                // Python: int(edge * long / short), the division in double.
                let long = ((edge * long) as f64 / short as f64) as usize;
                if width <= height {
                    (edge, long)
                } else {
                    (long, edge)
                }
            }
        }
    }
}

impl Filter {
    pub(crate) fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// The weight at distance `x`, in PIL's order of operations.
    pub(crate) fn weight(self, x: f64) -> f64 {
        let d = x.abs();
        match self {
            Self::Bilinear if d < 1.0 => 1.0 - d,
            Self::Bicubic if d < 1.0 => (1.5 * d - 2.5) * d * d + 1.0,
            Self::Bicubic if d < 2.0 => (((d - 5.0) * d + 8.0) * d - 4.0) * -0.5,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
}

const MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
const SIZE: &str =
    "a positive integer, or an object with `shortest_edge` or with `height` and `width`";
const CROP: &str = "a positive integer, or an object with `height` and `width`";

/// The file as it is written. Keys that say nothing about the pixels are not named here.
#[derive(Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the file's own keys")]
struct File {
    do_resize: bool,
    do_center_crop: bool,
    do_rescale: bool,
    do_normalize: bool,
    rescale_factor: f64,
    size: Option<Value>,
    crop_size: Option<Value>,
    resample: Option<Value>,
    image_mean: Option<Value>,
    image_std: Option<Value>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            do_resize: true,
            do_center_crop: true,
            do_rescale: true,
            do_normalize: true,
            rescale_factor: 1.0 / 255.0,
            size: None,
            crop_size: None,
            resample: None,
            image_mean: None,
            image_std: None,
        }
    }
}

/// Where `SiglipImageProcessor` differs: a square without cropping.
fn siglip_defaults() -> [(&'static str, Value); 4] {
    [
        ("do_center_crop", json!(false)),
        ("size", json!({"height": 224, "width": 224})),
        ("image_mean", json!([0.5, 0.5, 0.5])),
        ("image_std", json!([0.5, 0.5, 0.5])),
    ]
}

fn value(key: &'static str, found: Option<&Value>, wanted: &'static str) -> PreprocessError {
    PreprocessError::Value {
        key,
        found: found.map_or("missing".into(), Value::to_string),
        wanted,
    }
}

/// A number of pixels; above 65,536 it is a mistake and would only exhaust memory.
fn pixels(value: Option<&Value>) -> Option<usize> {
    let n = value?.as_u64()?;
    (1..=65_536).contains(&n).then_some(n as usize)
}

fn resize_size(found: Option<&Value>) -> Result<Size, PreprocessError> {
    let Some(v) = found else {
        return Ok(Size::ShortestEdge(224));
    };
    let size = match (pixels(Some(v)), v.get("shortest_edge")) {
        (Some(edge), _) => Some(Size::ShortestEdge(edge)),
        (None, Some(edge)) => pixels(Some(edge)).map(Size::ShortestEdge),
        (None, None) => pixels(v.get("height"))
            .zip(pixels(v.get("width")))
            .map(|(height, width)| Size::Exact { height, width }),
    };
    size.ok_or_else(|| value("size", Some(v), SIZE))
}

fn crop_size(found: Option<&Value>) -> Result<(usize, usize), PreprocessError> {
    let Some(v) = found else {
        return Ok((224, 224));
    };
    let square = pixels(Some(v)).map(|n| (n, n));
    square
        .or_else(|| pixels(v.get("height")).zip(pixels(v.get("width"))))
        .ok_or_else(|| value("crop_size", Some(v), CROP))
}

fn filter(found: Option<&Value>) -> Result<Filter, PreprocessError> {
    match found.map(Value::as_u64) {
        None | Some(Some(3)) => Ok(Filter::Bicubic),
        Some(Some(2)) => Ok(Filter::Bilinear),
        Some(Some(1)) => Ok(Filter::Lanczos),
        _ => Err(value(
            "resample",
            found,
            "1 (Lanczos), 2 (bilinear) or 3 (bicubic)",
        )),
    }
}

fn channels(
    key: &'static str,
    found: Option<&Value>,
    default: [f64; 3],
) -> Result<[f64; 3], PreprocessError> {
    let Some(v) = found.filter(|v| !v.is_null()) else {
        return Ok(default);
    };
    let numbers = match v.as_f64() {
        Some(one) => Some(vec![one; 3]),
        None => v
            .as_array()
            .and_then(|a| a.iter().map(Value::as_f64).collect()),
    };
    numbers
        .and_then(|n| n.try_into().ok())
        .ok_or_else(|| value(key, Some(v), "a number or three numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_objects_say_the_same() {
        let short = Preprocess::from_json(r#"{"size": 336, "crop_size": 336}"#).unwrap();
        let long = Preprocess::from_json(
            r#"{"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}"#,
        )
        .unwrap();
        assert_eq!(short, long);
        assert_eq!(short.output_size(), Some((336, 336)));
        assert_eq!(short.mean_colour(), [122, 116, 104]);
    }

    #[test]
    fn nothing_said_means_clip_at_224() {
        let p = Preprocess::from_json("{}").unwrap();
        assert_eq!(p.resize, Some(Size::ShortestEdge(224)));
        assert_eq!(p.normalise, Some((MEAN, STD)));
    }

    #[test]
    fn siglip_makes_squares() {
        let p = Preprocess::from_json(r#"{"image_processor_type": "SiglipImageProcessor"}"#);
        let p = p.unwrap();
        assert_eq!((p.output_size(), p.crop), (Some((224, 224)), None));
        assert_eq!(p.normalise, Some(([0.5; 3], [0.5; 3])));
    }

    #[test]
    fn switched_off_steps_are_left_out() {
        let p = Preprocess::from_json(
            r#"{"do_resize": false, "do_center_crop": false, "do_rescale": false, "do_normalize": false}"#,
        )
        .unwrap();
        assert_eq!(
            (p.resize, p.crop, p.scale, p.normalise),
            (None, None, None, None)
        );
        assert_eq!(p.output_size(), None);
    }

    #[test]
    fn the_long_side_is_cut_off_not_rounded() {
        let size = Size::ShortestEdge(56);
        assert_eq!(size.of(320, 213), (84, 56));
        assert_eq!(size.of(61, 183), (56, 168));
        assert_eq!(size.of(100, 100), (56, 56));
    }

    #[test]
    fn wrong_values_name_their_key() {
        for (text, key) in [
            (r#"{"size": 0}"#, "size"),
            (r#"{"size": {"longest_edge": 3}}"#, "size"),
            (r#"{"crop_size": "x"}"#, "crop_size"),
            (r#"{"resample": 5}"#, "resample"),
            (r#"{"image_mean": [1, 2]}"#, "image_mean"),
            (r#"{"image_std": [1, 0, 1]}"#, "image_std"),
        ] {
            let error = Preprocess::from_json(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{key}` is ")),
                "{text}: {error}"
            );
        }
        assert!(Preprocess::from_json("[").is_err());
    }
}
