//! One sample of a shard: what its members say.

use serde_json::{Map, Value};

/// What a member is, by its ending.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::load) enum Part {
    Image,
    Text,
    Json,
    Cls,
}

impl Part {
    pub(in crate::load) fn of(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "png" | "webp" | "gif" | "bmp" | "tif" | "tiff" => Some(Self::Image),
            "txt" | "caption" => Some(Self::Text),
            "json" => Some(Self::Json),
            "cls" => Some(Self::Cls),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
            Self::Json => ".json",
            Self::Cls => ".cls",
        }
    }
}

#[derive(Debug, Default, PartialEq)]
pub(in crate::load) struct Sample {
    pub(in crate::load) name: String,
    pub(in crate::load) image: Option<Vec<u8>>,
    pub(in crate::load) text: Option<String>,
    pub(in crate::load) json: Option<String>,
    pub(in crate::load) cls: Option<i64>,
}

impl Sample {
    pub(in crate::load) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(in crate::load) fn add(&mut self, part: Part, content: Vec<u8>) -> Result<(), String> {
        let there = match part {
            Part::Image => self.image.is_some(),
            Part::Text => self.text.is_some(),
            Part::Json => self.json.is_some(),
            Part::Cls => self.cls.is_some(),
        };
        if there {
            return Err(format!("the sample has a second {} member", part.word()));
        }
        if part == Part::Image {
            if content.is_empty() {
                return Err("the image has no bytes".to_owned());
            }
            self.image = Some(content);
            return Ok(());
        }
        let text = String::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
        match part {
            Part::Json => {
                serde_json::from_str::<Map<String, Value>>(&text)
                    .map_err(|e| format!("it is not a JSON object: {e}"))?;
                self.json = Some(text);
            }
            Part::Cls => {
                let number = text.trim_ascii().parse();
                self.cls = Some(number.map_err(|_| {
                    let shown: String = text.chars().take(40).collect();
                    format!("it holds {shown:?}, not a whole number")
                })?);
            }
            Part::Text | Part::Image => self.text = Some(text),
        }
        Ok(())
    }

    /// Bytes that stay in memory until a chunk is full.
    pub(in crate::load) fn text_bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.name.len() + length(&self.text) + length(&self.json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_make_a_sample() {
        let mut sample = Sample::new("a/000");
        sample.add(Part::Image, vec![1]).unwrap();
        sample.add(Part::Text, b" A cat.\n".to_vec()).unwrap();
        sample.add(Part::Json, b"{\"a\": 1}".to_vec()).unwrap();
        sample.add(Part::Cls, b"3\n".to_vec()).unwrap();
        assert_eq!(sample.text.as_deref(), Some(" A cat.\n"));
        assert_eq!(sample.cls, Some(3));
        assert_eq!(sample.text_bytes(), 5 + 8 + 8);
        let again = sample.add(Part::Image, vec![1]).unwrap_err();
        assert_eq!(again, "the sample has a second image member");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (part, content, expected) in [
            (Part::Image, &b""[..], "no bytes"),
            (Part::Text, b"\xff", "not UTF-8"),
            (Part::Json, b"[1]", "not a JSON object"),
            (Part::Json, b"{\"a\": ", "not a JSON object"),
            (Part::Cls, b"cat", "\"cat\", not a whole number"),
        ] {
            let error = Sample::new("s").add(part, content.to_vec()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(Part::of("JPG"), Some(Part::Image));
        assert_eq!(Part::of("seg.png"), None);
    }
}
