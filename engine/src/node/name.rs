//! Names of nodes in references: `NODE`, or one variant of a swept node, `NODE[gamma=0.5]`.

/// The parts of a reference: split at the dots that stand outside of brackets.
pub fn reference_parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let first = first_part(rest);
        parts.push(first);
        match rest.get(first.len() + 1..) {
            Some(after) => rest = after,
            None => return parts,
        }
    }
}

/// The node that a reference begins with, as it is written.
pub fn first_part(text: &str) -> &str {
    let mut inside = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => inside = true,
            b']' => inside = false,
            b'.' if !inside => return &text[..at],
            _ => {}
        }
    }
    text
}

/// A node's name without its variant, and the choices in brackets: NAME, LABEL.
pub fn split_variant(name: &str) -> (&str, Vec<(&str, &str)>) {
    let Some((node, choices)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) else {
        return (name, Vec::new());
    };
    let pairs = choices.split(',').map(|pair| {
        let (axis, label) = pair.split_once('=').unwrap_or((pair, ""));
        (axis.trim(), label.trim())
    });
    (node, pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_in_brackets_are_of_the_name() {
        assert_eq!(reference_parts("a"), ["a"]);
        assert_eq!(reference_parts("a.b.c"), ["a", "b", "c"]);
        assert_eq!(reference_parts("a[g=0.5].b"), ["a[g=0.5]", "b"]);
        assert_eq!(reference_parts("a."), ["a", ""]);
        assert_eq!(reference_parts(""), [""]);
        assert_eq!(reference_parts("a[g=0.5"), ["a[g=0.5"]);
        assert_eq!(
            split_variant("a[g=0.5, h=x]"),
            ("a", vec![("g", "0.5"), ("h", "x")])
        );
        assert_eq!(split_variant("a"), ("a", vec![]));
    }
}
