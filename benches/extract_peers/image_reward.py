"""ImageReward at full size, one pair after the other, as the original's `score` works.

    python image_reward.py make FOLDER DATA          random weights, configuration and a vocabulary of DATA's words
    python image_reward.py score FOLDER DATA OUT [IMAGES]
"""

import json
import os
import pathlib
import re
import sys
import time

import numpy
import torch
from PIL import Image
from transformers import BertTokenizer

from reward_model import LENGTH, VOCABULARY, ImageReward
from samples import samples

PIXEL_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
PIXEL_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
BERT = {
    "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
    "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 12, "num_hidden_layers": 12,
    "pad_token_id": 0, "type_vocab_size": 2, "vocab_size": VOCABULARY, "encoder_width": 768, "add_cross_attention": True,
}


def make(folder, data):
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    model = ImageReward()
    for name, value in model.named_parameters():
        if "embed" in name or "cls_token" in name:
            torch.nn.init.normal_(value, 0, 0.02)
    torch.save(model.state_dict(), folder / "ImageReward.pt")
    (folder / "med_config.json").write_text(json.dumps(BERT))
    words = sorted({word for _, text in samples(data) for word in re.findall(r"[a-z]+|[^\sa-z]", text.lower())})
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words
    tokens += [f"[unused{number}]" for number in range(VOCABULARY - 2 - len(tokens))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")


def pixels_of(path):
    """Resized in the file's own mode, cropped, RGB."""
    image = Image.open(path)
    short, long = sorted(image.size)
    long = int(224 * long / short)
    image = image.resize((224, long) if image.width <= image.height else (long, 224), Image.Resampling.BICUBIC)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    image = image.crop((left, top, left + 224, top + 224)).convert("RGB")
    values = torch.from_numpy(numpy.array(image)).permute(2, 0, 1).float() / 255
    return ((values - PIXEL_MEAN) / PIXEL_STD)[None]


@torch.no_grad()
def score(folder, data, out, most):
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    begun = time.perf_counter()
    model = ImageReward()
    model.load_state_dict(torch.load(folder / "ImageReward.pt", mmap=True))
    model.eval()
    tokenizer = BertTokenizer(str(folder / "vocab.txt"))
    loaded = time.perf_counter()
    rewards = []
    for path, text in samples(data, most):
        words = tokenizer(text, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
        rewards.append(model(pixels_of(path), words.input_ids, words.attention_mask).item())
    computed = time.perf_counter()
    numpy.save(out, numpy.array(rewards, numpy.float32)[:, None])
    print(json.dumps({"rows": len(rewards), "load": loaded - begun, "compute": computed - loaded}))


def main():
    verb, folder, data = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    if verb == "make":
        make(folder, data)
    else:
        score(folder, data, sys.argv[4], int(sys.argv[5]) if len(sys.argv) > 5 else None)


main()
