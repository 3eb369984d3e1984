"""The model alone: seconds for all different images and all texts, in batches of 32, after a first pass that is not counted.

    python clip_model.py MODEL DATA INPUTS [IMAGES]

Writes what goes into the model to INPUTS (safetensors), for benches/clip_model.rs, which does the same.
"""

import json
import sys
import time

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, CLIPModel

from clip import BATCH, THREADS, Images, image_features, text_features
from samples import samples

ROUNDS = 3


def batches(model, tokenizer, ids):
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    for start in range(0, len(order), BATCH):
        rows = [ids[row] for row in order[start : start + BATCH]]
        yield tokenizer.pad({"input_ids": rows}, return_tensors="pt")


@torch.inference_mode()
def main():
    folder, data, inputs = sys.argv[1:4]
    torch.set_num_threads(THREADS)
    model = CLIPModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = samples(data, int(sys.argv[4]) if len(sys.argv) > 4 else None)
    images = Images(folder, list(dict.fromkeys(path for path, _ in found)))
    pixels = torch.stack([images[place] for place in range(len(images))])
    ids = tokenizer([text for _, text in found], truncation=True, max_length=77)["input_ids"]
    lengths = torch.tensor([len(row) for row in ids])
    padded = torch.tensor([row + [0] * (77 - len(row)) for row in ids])
    save_file({"pixels": pixels.contiguous(), "ids": padded, "lengths": lengths}, inputs)
    seconds = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        for batch in pixels.split(BATCH):
            image_features(model, batch)
        between = time.perf_counter()
        for batch in batches(model, tokenizer, ids):
            text_features(model, batch)
        seconds.append((between - begun, time.perf_counter() - between))
    print(json.dumps({"images": min(s[0] for s in seconds[1:]), "texts": min(s[1] for s in seconds[1:])}))


main()
