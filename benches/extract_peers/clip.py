"""CLIP features of all samples with Hugging Face's classes, in three ways.

    python clip.py published|batched|once MODEL DATA OUT [IMAGES]

published  one sample after the other, processor and model called for each: the loop of the published program
batched    batches of 32; images by the workers of a DataLoader, texts sorted by length, inference mode
once       the same with each image embedded once

Writes the normalised image and text embedding of each sample side by side to OUT (.npy), and says in JSON how long the
parts took.
"""

import json
import os
import sys
import time

import numpy
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel, CLIPProcessor

from samples import samples

BATCH = 32
THREADS = int(os.environ["OMP_NUM_THREADS"])


def published(model, folder, found):
    processor = CLIPProcessor.from_pretrained(folder, use_fast=False)
    rows = []
    for path, text in found:
        image = Image.open(path).convert("RGB")
        inputs = processor(text=[text], images=image, return_tensors="pt", padding=True, truncation=True)
        with torch.no_grad():
            outputs = model(**inputs)
        rows.append(torch.cat([outputs.image_embeds, outputs.text_embeds], 1))
    return torch.cat(rows)


class Images(torch.utils.data.Dataset):
    def __init__(self, folder, paths):
        self.paths = paths
        self.processor = CLIPImageProcessor.from_pretrained(folder)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, place):
        image = Image.open(self.paths[place]).convert("RGB")
        return self.processor(image, return_tensors="pt")["pixel_values"][0]


@torch.inference_mode()
def batched(model, folder, found, once):
    paths = [path for path, _ in found]
    different = list(dict.fromkeys(paths)) if once else paths
    loader = torch.utils.data.DataLoader(Images(folder, different), BATCH, num_workers=THREADS)
    images = unit(torch.cat([image_features(model, pixels) for pixels in loader]))
    if once:
        place = {path: number for number, path in enumerate(different)}
        images = images[[place[path] for path in paths]]
    return torch.cat([images, text_embeddings(model, folder, [text for _, text in found])], 1)


def text_embeddings(model, folder, texts):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(texts, truncation=True, max_length=77)["input_ids"]
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    found = torch.empty(len(ids), model.config.projection_dim)
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        batch = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")
        found[rows] = unit(text_features(model, batch))
    return found


def image_features(model, pixels):
    return tensor(model.get_image_features(pixel_values=pixels))


def text_features(model, batch):
    return tensor(model.get_text_features(**batch))


def tensor(output):
    """Newer versions give more than the projected embedding."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def unit(features):
    return features / features.norm(dim=-1, keepdim=True)


def main():
    way, folder, data, out = sys.argv[1:5]
    torch.set_num_threads(THREADS)
    begun = time.perf_counter()
    model = CLIPModel.from_pretrained(folder).eval()
    loaded = time.perf_counter()
    found = samples(data, int(sys.argv[5]) if len(sys.argv) > 5 else None)
    features = published(model, folder, found) if way == "published" else batched(model, folder, found, way == "once")
    computed = time.perf_counter()
    numpy.save(out, features.float().numpy())
    print(json.dumps({"rows": len(found), "load": loaded - begun, "compute": computed - loaded}))


if __name__ == "__main__":
    main()
