//! The language of a text, by the trigrams and letters that whatlang knows of 70 languages.

use super::super::measures::Value;

/// More than enough to tell a language by; longer texts would only take longer.
const LOOKED_AT: usize = 1_000;

/// ISO 639-3 code (`eng`) and confidence from 0 to 1 (reliable above 0.9); both null for a text without letters of a known
/// script. The first 1,000 code points are looked at. Texts of a few words are often taken for another language.
pub(super) fn language(text: &str) -> [Value; 2] {
    let end = text
        .char_indices()
        .nth(LOOKED_AT)
        .map_or(text.len(), |(at, _)| at);
    match whatlang::detect(&text[..end]) {
        Some(found) => [
            Value::Word(found.lang().code()),
            Value::number(Some(found.confidence())),
        ],
        None => [Value::None; 2],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        for (text, expected) in [
            (
                "The two people in the picture are walking along the beach with their dog.",
                "eng",
            ),
            (
                "Die zwei Leute auf dem Bild gehen mit ihrem Hund am Strand spazieren.",
                "deu",
            ),
            (
                "Les deux personnes sur la photo se promènent sur la plage avec leur chien.",
                "fra",
            ),
            ("画像の中の二人は犬と一緒に浜辺を歩いています。", "jpn"),
            ("图片中的两个人正在带着他们的狗在海滩上散步。", "cmn"),
        ] {
            let [Value::Word(code), Value::Number(confidence)] = language(text) else {
                panic!("{text}");
            };
            assert_eq!(code, expected, "{text}");
            assert!(
                confidence > 0.0 && confidence <= 1.0,
                "{text}: {confidence}"
            );
        }
    }

    #[test]
    fn no_letters_have_no_language() {
        for text in ["", " ", "42 + 7!", "😀"] {
            assert_eq!(language(text), [Value::None; 2], "{text}");
        }
    }
}
