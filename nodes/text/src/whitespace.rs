//! White space as Python's `str` methods see it.

/// What Python's `str.isspace` says of a character: Rust's white space and the four separators U+001C to U+001F.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

#[cfg(test)]
mod tests {
    use super::strip;

    #[test]
    fn python_strips_more_than_rust() {
        assert_eq!(strip(" \u{1c}\u{a0}a b\u{85}\n"), "a b");
        // No white space for Python: zero-width space, Mongolian vowel separator.
        assert_eq!(strip("\u{200b}a\u{180e}"), "\u{200b}a\u{180e}");
    }
}
