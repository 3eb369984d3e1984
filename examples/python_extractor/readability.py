"""How easy the English of each text is to read: Flesch's reading ease (about 100: very easy, 0: very hard), and its words.

Flesch, R. (1948), A new readability yardstick: 206.835 - 1.015 words/sentences - 84.6 syllables/words.
"""

import re

from trommel_extractor import fail, serve


def syllables(word):
    """Groups of vowels, without a silent e at the end; at least one."""
    groups = len(re.findall(r"[aeiouy]+", word))
    silent = word.endswith("e") and not word.endswith(("le", "ee")) and groups > 1
    return max(1, groups - silent)


def reading_ease(text):
    words = re.findall(r"[a-z']+", text.lower())
    if not words:
        return None, 0
    sentences = max(1, len(re.findall(r"[.!?]+(?:\s|$)", text)))
    ease = 206.835 - 1.015 * len(words) / sentences - 84.6 * sum(map(syllables, words)) / len(words)
    return ease, len(words)


def run(batch, config):
    ease, words = [], []
    for row, text in enumerate(batch["text"].to_pylist()):
        value, count = (None, None) if text is None else reading_ease(text)
        if count is not None and count < config.get("min_words", 1):
            fail(row, f"{count} words, and at least {config.get('min_words', 1)} are needed")
        ease.append(value)
        words.append(count)
    return {"reading_ease": ease, "words": words}


if __name__ == "__main__":
    serve(run, {"reading_ease": "f32", "words": "u32"})
