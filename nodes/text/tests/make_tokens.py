"""Writes llama/ and clip/ (tiny tokenizers trained on made-up text) and tokens.json: what transformers makes of texts.

    pip install transformers==4.37.2 tokenizers==0.15.2 sentencepiece torch
    python make_tokens.py

The labels are not in here: their rules are tested by hand-made cases beside the code.
"""

import json
import pathlib
import random
import shutil

import sentencepiece
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizerFast, LlamaTokenizer

HERE = pathlib.Path(__file__).parent
NOUNS = "dog cat train kite river lamp harbour bicycle painter teacher window garden".split()
VERBS = "holds paints watches repairs carries follows opens lights".split()
PLACES = "in the park|on a table|near the old bridge|behind two houses|at 7:45 in the morning".split("|")

TEXTS = [
    "", " ", "  ", "\n", "\t", "the dog", " the dog", "the dog ", "the  dog\n\nholds a kite",
    "x </s> y", "x</s>y", "</s>", " </s> ", "</s></s>", "<s>the", "<unk>", "a<unk> b", "<s", "</s", "<pad>",
    "USER: the dog ASSISTANT: ", "ASSISTANT:", "café naïve", "e\u0301", "漢字 🙂", "\u00a0the", "\u2581the", "12345 3.5%",
    "<image>", "<0x0A>", "\r\n", "\x00", "It's they'll we'd I'M", "THE DOG", "ǅ İstanbul ß", "\u2028x\u3000y",
    "<|startoftext|>the<|endoftext|>", "<|ENDOFTEXT|>", "a_b-c...!!?", "٣٤ ½ ²", "\x1cx\u0085y\u200bz",
    "the dog holds a kite " * 30,
]


def corpus():
    random.seed(7)
    for _ in range(3000):
        a, b = random.sample(NOUNS, 2)
        yield f"A {a} {random.choice(VERBS)} the {b} {random.choice(PLACES)}. USER: It's {random.randint(0, 99)}. ASSISTANT: "


def llama():
    folder = HERE / "llama"
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(), model_prefix=str(folder / "tokenizer"), vocab_size=420, model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        add_dummy_prefix=True, allow_whitespace_only_pieces=True, num_threads=1, minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "added_tokens.json").write_text(json.dumps({"<pad>": 420}))
    slow = LlamaTokenizer.from_pretrained(folder, legacy=True)
    return [{"text": t, "ids": slow(t).input_ids} for t in TEXTS]


def clip():
    folder = HERE / "clip"
    folder.mkdir()
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Lowercase()
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(vocab_size=700, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    merges = [m if isinstance(m, str) else " ".join(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = letters + [c + "</w>" for c in letters] + [m.replace(" ", "") for m in merges]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = list(dict.fromkeys(vocabulary))
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    fast = CLIPTokenizerFast.from_pretrained(folder)
    return [{"text": t, "ids": fast(t, truncation=True, max_length=77).input_ids} for t in TEXTS]


for name in ("llama", "clip"):
    shutil.rmtree(HERE / name, ignore_errors=True)
golden = {"llama": llama(), "clip": clip()}
(HERE / "tokens.json").write_text(json.dumps(golden, separators=(",", ":")))
