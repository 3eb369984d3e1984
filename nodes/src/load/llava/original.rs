//! The record as the user wrote it: its own text without the `unique_idx` that the published program's first step adds.

use std::borrow::Cow;
use std::ops::Range;

/// `raw` (a JSON object that has been parsed) without its top-level `unique_idx`, all other bytes unchanged.
pub fn without_unique_idx(raw: &str) -> Cow<'_, str> {
    let bytes = raw.as_bytes();
    let members = members(bytes);
    let Some(found) = members
        .iter()
        .position(|m| &bytes[m.clone()][..m.len().min(12)] == b"\"unique_idx\"")
    else {
        return Cow::Borrowed(raw);
    };
    // With the member goes one comma: the one before it, or for the first member the one behind.
    let cut = match (found.checked_sub(1), members.get(found + 1)) {
        (Some(before), _) => members[before].end..members[found].end,
        (None, Some(behind)) => members[found].start..behind.start,
        (None, None) => members[found].clone(),
    };
    Cow::Owned(format!("{}{}", &raw[..cut.start], &raw[cut.end..]))
}

/// The members of an object, each from its key's quote to its value's last byte.
fn members(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut members = Vec::new();
    let (mut depth, mut start, mut end) = (0_usize, None, 0);
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let closes = depth == 0 || (depth == 1 && byte == b',');
        if closes {
            members.extend(start.take().map(|start| start..end));
        } else if !byte.is_ascii_whitespace() && (start.is_some() || byte == b'"') {
            // A member begins with its key's quote, so the object's own brace is none.
            start.get_or_insert(at);
            if byte == b'"' {
                at = string_end(bytes, at);
            }
            end = at + 1;
        }
        at += 1;
    }
    members
}

/// Place of the quote that ends the string beginning at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_member_and_one_comma_go() {
        for (raw, expected) in [
            (r#"{"id": "1", "unique_idx": 7}"#, r#"{"id": "1"}"#),
            (r#"{"unique_idx": 7, "id": "1"}"#, r#"{"id": "1"}"#),
            (
                r#"{"a": [1, {"b": 2}] , "unique_idx" : 7 , "c":"x" }"#,
                r#"{"a": [1, {"b": 2}] , "c":"x" }"#,
            ),
            (r#"{"unique_idx": 7}"#, "{}"),
            (
                r#"{ "a": "\"unique_idx\": 1, }", "b": {"unique_idx": 2} }"#,
                r#"{ "a": "\"unique_idx\": 1, }", "b": {"unique_idx": 2} }"#,
            ),
            ("{}", "{}"),
        ] {
            assert_eq!(without_unique_idx(raw), expected);
        }
    }

    #[test]
    fn the_rest_of_the_record_is_the_same_json() {
        let raw = "{\n  \"id\": \"\\u00e9 \\\\\",\n  \"unique_idx\": 12,\n  \"n\": [true, null, -1.50e3]\n}";
        let expected = raw.replace(",\n  \"unique_idx\": 12", "");
        assert_eq!(without_unique_idx(raw), expected);
        serde_json::from_str::<serde_json::Value>(&expected).unwrap();
    }
}
