"""Writes templates/expected.json: what LLaVA's own code makes of conversations by each prompt template.

    git clone https://github.com/haotian-liu/LLaVA    # any version with llava_llama_2 and tokenizer.legacy; used: c121f04 (1.2.2.post1)
    pip install torch transformers==4.37.2 tokenizers==0.15.2 sentencepiece==0.1.99 protobuf pillow accelerate
    python make_templates.py LLaVA            # writes
    python make_templates.py LLaVA --check    # compares with what is there

The tokenizer is that of llama/, with and without the legacy rule; the records are data/llava_instruct.json,
data/llava_extra.json and templates/records.json, in this order. For each: the prompt, the token ids, which of them are learnt (pairs of first and
behind-last place), and whether the published program says that the rounds do not add up; null where it stops with an error.
"""

import argparse
import contextlib
import copy
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import transformers

HERE = Path(__file__).resolve().parent
RECORDS = ["data/llava_instruct.json", "data/llava_extra.json", "templates/records.json"]
MAX_LENGTH = 112
# Template, its name in LLaVA, legacy rule, whether the tokenizer has a pad token of its own.
RUNS = [("v0", True, False), ("v1", True, False), ("plain", True, False), ("llava_llama_2", True, False),
        ("v0", False, True), ("v1", False, False), ("plain", False, False), ("llava_llama_2", False, False)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llava", type=Path, help="a checkout of LLaVA")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.llava))
    transformers.logging.set_verbosity_error()
    from llava import conversation
    from llava.train import train

    records = [record for name in RECORDS for record in json.loads((HERE / name).read_text())]
    made = []
    for template, legacy, own_pad in RUNS:
        tokenizer = load(legacy, template, own_pad)
        conversation.default_conversation = conversation.conv_templates[template]
        rows = [run(train, conversation, tokenizer, record) for record in records]
        made.append({"template": template, "legacy": legacy, "own_pad": own_pad, "rows": rows})
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for run in made for row in run["rows"]]
    print(f"{len(lines)} rows, {sum(line == 'null' for line in lines)} of them errors")
    text = dump(made)
    path = HERE / "templates/expected.json"
    if arguments.check:
        same = path.read_text() == text
        print("the same" if same else "not the same")
        sys.exit(0 if same else 1)
    path.write_text(text)


def load(legacy, template, own_pad):
    """The tokenizer as the published program sets it up for a template."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("tokenizer.model", "tokenizer_config.json"):
            shutil.copy(HERE / "llama" / name, folder)
        path = Path(folder) / "tokenizer_config.json"
        settings = json.loads(path.read_text()) | {"legacy": legacy}
        if own_pad:
            settings["pad_token"] = "<unk>"
        path.write_text(json.dumps(settings))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=False, model_max_length=MAX_LENGTH,
                                                               padding_side="right")
    assert tokenizer.legacy == legacy
    if template != "v0":
        tokenizer.pad_token = tokenizer.unk_token
    elif tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    return tokenizer


def run(train, conversation, tokenizer, record):
    has_image = "image" in record
    turns = copy.deepcopy([record["conversations"]])
    prompts = []
    printed = io.StringIO()
    try:
        with recorded(train, conversation, prompts), contextlib.redirect_stdout(printed):
            if has_image:
                turns = train.preprocess_multimodal(turns, SimpleNamespace(is_multimodal=True, mm_use_im_start_end=False))
            made = train.preprocess(turns, tokenizer, has_image=has_image)
    except (AssertionError, IndexError, KeyError):
        return None
    ids, labels = made["input_ids"][0].tolist(), made["labels"][0].tolist()
    assert all(label in (-100, id) for id, label in zip(ids, labels, strict=True))
    return {"prompt": prompts[0], "ids": ids, "learnt": ranges([label != -100 for label in labels]),
            "mismatch": "mismatch" in printed.getvalue()}


@contextlib.contextmanager
def recorded(train, conversation, prompts):
    """Notes the texts that become ids, the whole prompt first."""
    places = [(conversation.Conversation, "get_prompt"), (train, "_add_speaker_and_signal"), (train, "tokenizer_image_token")]
    originals = [getattr(*place) for place in places]

    def noting(original, is_tokenizer):
        def call(*arguments, **more):
            made = original(*arguments, **more)
            prompts.append(arguments[0] if is_tokenizer else made)
            return made
        return call

    for (owner, name), original in zip(places, originals):
        setattr(owner, name, noting(original, name == "tokenizer_image_token"))
    try:
        yield
    finally:
        for (owner, name), original in zip(places, originals):
            setattr(owner, name, original)


def ranges(flags):
    edges = [place for place, (a, b) in enumerate(zip([False] + flags, flags + [False])) if a != b]
    return list(zip(edges[::2], edges[1::2]))


def dump(made):
    """One line a row."""
    def line(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    runs = []
    for run in made:
        head = line({key: value for key, value in run.items() if key != "rows"})[:-1]
        runs.append(head + ',"rows":[\n' + ",\n".join(line(row) for row in run["rows"]) + "\n]}")
    return "[" + ",\n".join(runs) + "]\n"


if __name__ == "__main__":
    main()
