"""The way of an image from the file to the model's input with Pillow and CLIPImageProcessor, on one core: ms an image.

    python images.py MODEL DATA [IMAGES]
"""

import json
import sys
import time

import torch
from PIL import Image
from transformers import CLIPImageProcessor

from samples import samples

ROUNDS = 3


def main():
    torch.set_num_threads(1)
    processor = CLIPImageProcessor.from_pretrained(sys.argv[1])
    found = samples(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
    paths = list(dict.fromkeys(path for path, _ in found))
    best, decoding = [], []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        for path in paths:
            processor(Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
        best.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        for path in paths:
            Image.open(path).convert("RGB")
        decoding.append(time.perf_counter() - begun)
    print(json.dumps({
        "images": len(paths), "ms": min(best[1:]) / len(paths) * 1e3, "decode_ms": min(decoding[1:]) / len(paths) * 1e3,
    }))


main()
