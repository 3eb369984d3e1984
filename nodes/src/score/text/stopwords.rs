//! English function words: articles, pronouns, prepositions, conjunctions, auxiliaries and the like.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

/// Whether a word in lower case is one.
pub(super) fn is_stopword(word: &str) -> bool {
    STOPWORDS.contains(word)
}

static STOPWORDS: LazyLock<HashSet<&str, RandomState>> =
    LazyLock::new(|| ENGLISH.split_whitespace().collect());

const ENGLISH: &str = "\
    a about above after again against all also although am among an and another any are aren't around as at be \
    because been before behind being below between both but by can can't cannot could couldn't did didn't do \
    does doesn't doing don't down during each either else ever every few for from further had hadn't has hasn't \
    have haven't having he he's her here hers herself him himself his how however i i'd i'll i'm i've if in into \
    is isn't it it's its itself just may me might more most must my myself neither no nor not now of off on once \
    only onto or other our ours ourselves out over own same shall she she's should shouldn't since so some such \
    than that that's the their theirs them themselves then there there's these they they'd they'll they're \
    they've this those though through to too toward towards under until up upon us very was wasn't we we'd we'll \
    we're we've were weren't what what's when where whether which while who whom whose why will with within \
    without won't would wouldn't yet you you'd you'll you're you've your yours yourself yourselves";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_words_in_lower_case() {
        assert_eq!(STOPWORDS.len(), 192);
        let plain = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '\'');
        assert!(STOPWORDS.iter().all(plain));
        for (word, expected) in [("the", true), ("can't", true), ("cat", false), ("", false)] {
            assert_eq!(is_stopword(word), expected, "{word}");
        }
    }
}
