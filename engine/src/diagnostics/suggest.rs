//! What to write instead of a name that there is not.

/// Names listed where none is near; the rest is counted.
const LISTED: usize = 20;

/// The candidate that `word` is most likely a misspelling of, if any is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 1 + word.chars().count().max(candidate.chars().count()) / 4
                || (word.len() >= 4 && candidate.starts_with(word))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// What to write instead of `word`: the nearest of `names`, else all there are.
pub fn suggest(word: &str, noun: &str, names: &[&str]) -> String {
    match (nearest(word, names.iter().copied()), names) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => format!("there are no {noun}s"),
        (None, [one]) => format!("the only {noun} is {one}"),
        (None, all) => format!("the {noun}s are {}", listed(all)),
    }
}

/// Names with commas between them, so many as people read.
pub fn listed(names: &[&str]) -> String {
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_refuses_strangers() {
        let kinds = ["embed.clip", "score.clip", "select.diverse"];
        assert_eq!(nearest("embed.clp", kinds), Some("embed.clip"));
        assert_eq!(nearest("select.divers", kinds), Some("select.diverse"));
        assert_eq!(nearest("write", kinds), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = suggest("something else", "node", &names);
        assert!(
            text.starts_with("the nodes are n0, n1, ") && text.ends_with("n19 and 30 more"),
            "{text}"
        );
    }
}
