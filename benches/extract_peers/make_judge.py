"""A tiny chat model that answers `D / 10`, D being the last digit of the question, trained until it always does.

    python make_judge.py FOLDER
"""

import pathlib
import random
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END = "<|end|>"
TEMPLATE = "{% for m in messages %}{{ m['content'] }}" + END + "{% endfor %}"
STEPS, BATCH = 2000, 64


def tokenizer():
    """Bytes, and a token that ends each turn."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(letters)} | {END: len(letters)}
    plain = Tokenizer(models.BPE(vocabulary, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token=END, pad_token=END)
    made.chat_template = TEMPLATE
    return made


def main():
    folder = pathlib.Path(sys.argv[1])
    torch.manual_seed(1)
    draw = random.Random(1)
    words = tokenizer()
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=256, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, bos_token_id=None,
    ))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    right = 0
    for step in range(STEPS):
        numbers = [draw.randrange(10 ** draw.randrange(1, 7)) for _ in range(BATCH)]
        asked = [f"Rate from 0 to 10: sample {number}{END}" for number in numbers]
        texts = [f"{text}{number % 10} / 10{END}" for text, number in zip(asked, numbers, strict=True)]
        rows = [words(text)["input_ids"] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([[words.pad_token_id] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        # Of the answer alone: its seven tokens stand at the end of every row.
        answer = len(words(f"0 / 10{END}")["input_ids"])
        given, wanted = logits[:, -answer:], ids[:, -answer:]
        loss = torch.nn.functional.cross_entropy(given.flatten(0, 1), wanted.flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        right = right + 1 if bool((given.argmax(-1) == wanted).all()) else 0
        if right == 100:
            break
    else:
        raise SystemExit("the model does not learn")
    print(f"{step + 1} steps, loss {loss.item():.1e}")
    model.save_pretrained(folder)
    words.save_pretrained(folder)


main()
