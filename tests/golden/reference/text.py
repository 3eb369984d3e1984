"""From records to text, token ids and labels (prompt template v1).

A record is {"conversations": [{"from", "value"}, ...], "image"?: file name}.
"""

IMAGE = "<image>"
IMAGE_ID = -200
IGNORE = -100
PAD_ID = 0

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
STOP = "</s>"
ASSISTANT_MARK = " ASSISTANT: "
ROLE = {"human": "USER", "gpt": "ASSISTANT"}


def sample_text(record):
    """The text that CLIP and the other scorers see."""
    words = []
    for turn, expected in zip(record["conversations"], _alternate("human", "gpt")):
        if turn["from"] != expected:
            raise ValueError(f"turn of {turn['from']!r} where {expected!r} is due")
        value = turn["value"]
        if expected == "human" and IMAGE in value:
            value = value.replace(IMAGE, "").strip()
        words.append(f"{ROLE[expected]}: {value} ")
    return "".join(words).strip()


def prompt(record):
    """The conversation as the language model is trained on it."""
    turns = record["conversations"]
    if turns[0]["from"] != "human":
        turns = turns[1:]
    out = [SYSTEM, " "]
    for turn, expected in zip(turns, _alternate("human", "gpt")):
        if turn["from"] != expected:
            raise ValueError(f"turn of {turn['from']!r} where {expected!r} is due")
        value = _image_first(turn["value"]) if "image" in record else turn["value"]
        if not value:
            # An empty message is written without a space and without its separator.
            out.append(ROLE[expected] + ":")
            continue
        out.append(f"{ROLE[expected]}: {value}{' ' if expected == 'human' else STOP}")
    return "".join(out)


def token_ids(text, tokenizer, with_image):
    """Ids with <s> in front; with_image: IMAGE_ID stands where <image> stood."""
    if not with_image:
        return tokenizer(text).input_ids
    ids = [tokenizer.bos_token_id]
    for position, piece in enumerate(text.split(IMAGE)):
        if position > 0:
            ids.append(IMAGE_ID)
        # Each piece is tokenised alone and so gets its own <s>, which is left out.
        ids.extend(tokenizer(piece).input_ids[1:])
    return ids


def tokenise(record, tokenizer, max_length):
    """(ids, labels, mismatch) of one record; only text-only ids are cut to max_length here."""
    with_image = "image" in record
    text = prompt(record)
    ids = token_ids(text, tokenizer, with_image)
    if not with_image:
        ids = ids[:max_length]
    labels, mismatch = _labels(text, ids, tokenizer, with_image, max_length)
    return ids, labels, mismatch


def _labels(text, ids, tokenizer, with_image, max_length):
    """Keep the answers; walk round by round and compare the walked length with the real one."""
    labels = list(ids)
    labels[0] = IGNORE
    at = 1
    for round_text in text.split(STOP):
        pieces = round_text.split(ASSISTANT_MARK)
        if round_text == "" or len(pieces) != 2:
            break
        question = token_ids(pieces[0] + ASSISTANT_MARK, tokenizer, with_image)
        whole = token_ids(round_text, tokenizer, with_image)
        # The round's </s> and its surplus <s> cancel out; the question alone ends in
        # a lone space token and has a surplus <s>: minus 2.
        _mask(labels, at, at + len(question) - 2)
        at += len(whole)
    _mask(labels, at, len(labels))
    mismatch = at < max_length and at != sum(i != PAD_ID for i in ids)
    if mismatch:
        _mask(labels, 0, len(labels))
    return labels, mismatch


def _mask(labels, start, end):
    for position in range(start, min(end, len(labels))):
        labels[position] = IGNORE


def _image_first(value):
    if IMAGE not in value:
        return value
    return (IMAGE + "\n" + value.replace(IMAGE, "").strip()).strip()


def _alternate(first, second):
    while True:
        yield first
        yield second
