//! Cutting special tokens out of a text, as the slow tokenizers of transformers do before anything else.

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Special(i64),
}

/// Splits at the first and, from there, longest special token, over and over. No empty texts come out.
pub(crate) fn split<'a>(text: &'a str, specials: &[(String, i64)]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let found = specials
            .iter()
            .filter_map(|(token, id)| Some((rest.find(token.as_str())?, token.len(), *id)))
            .min_by_key(|&(at, len, _)| (at, usize::MAX - len));
        let Some((at, len, id)) = found else {
            pieces.push(Piece::Text(rest));
            break;
        };
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        pieces.push(Piece::Special(id));
        rest = &rest[at + len..];
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::Piece::{Special, Text};
    use super::*;

    #[test]
    fn first_and_longest_wins() {
        let specials = [("<a>", 1), ("<a><b>", 2), ("b", 3)].map(|(t, i)| (t.to_owned(), i));
        let split = |text| split(text, &specials);
        assert_eq!(split(""), []);
        assert_eq!(split("x <a> y"), [Text("x "), Special(1), Text(" y")]);
        assert_eq!(split("<a><b><a>"), [Special(2), Special(1)]);
        assert_eq!(split("<b"), [Text("<"), Special(3)]);
    }
}
