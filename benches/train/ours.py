"""The pipeline of the training benchmarks, its batches, and how many tokens they have."""

import json
import random

BATCH, MAX_LENGTH, IMAGE, PADDING = 16, 2048, -200, 0
SCORES = ["clip_score", "image_reward", "judge"]


def pipeline(data, model, order, **settings):
    """Over the folders that make.py made. `settings` are those of train.self_filter that differ from its defaults."""
    nodes = {"rows": {"kind": "load.llava", "annotations": f"{data}/annotations.json", "images": f"{data}/images"}}
    for name in SCORES:
        nodes[name] = {"kind": "load.scores", "input": "rows", "path": f"{data}/{name}.json", "column": name}
    nodes["stage1"] = {
        "kind": "train.self_filter", "input": "rows", "features": [f"{name}.{name}" for name in SCORES],
        "vlm": f"{model}/llama", "vision_tower": f"{model}/clip", "projector": f"{model}/projector.safetensors",
        "order": str(order), "batch_size": BATCH, "max_length": MAX_LENGTH, **settings,
    }
    # JSON is YAML.
    return json.dumps({"version": 1, "nodes": nodes}, indent=1)


def batches(samples, count, size=BATCH):
    """`count` batches of unique_idx, drawn without repeats while there are enough."""
    draw, left, found = random.Random(1), [], []
    while len(found) < count:
        if len(left) < size:
            left = [sample["unique_idx"] for sample in samples]
            draw.shuffle(left)
        found.append(left[:size])
        left = left[size:]
    return found


def lengths(samples, batch, patches):
    """Tokens of each sample of a batch, patches included."""
    found = []
    for number in batch:
        ids = [token for token in samples[number]["ids"][:MAX_LENGTH] if token != PADDING]
        found.append(min(len(ids) + (patches - 1) * ids.count(IMAGE), MAX_LENGTH))
    return found


def patches(model):
    """Of an image, as the vision tower of that folder cuts it."""
    vision = json.loads((model / "clip" / "config.json").read_text())["vision_config"]
    return (vision["image_size"] // vision["patch_size"]) ** 2


def new_images(samples, order):
    """For each batch how many images the vision tower has not seen before."""
    seen, found = set(), []
    for batch in order:
        images = {samples[number]["image"] for number in batch} - seen - {None}
        seen |= images
        found.append(len(images))
    return found
