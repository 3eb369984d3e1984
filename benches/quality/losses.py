"""What each sample of the quickstart costs a model that was tuned without weights, in plain PyTorch.

    python losses.py OUT.json --seed 101 [--learning-rate 0.002] [--epochs 3]

As the program does it: AdamW, warm-up and cosine, batches of 16, the 354 records with a picture; but every sample counts
alike. Each loss is measured three times: by the model as it was before, by one that was tuned on all samples, and by one
of five that were tuned without the fifth in which the sample lies (near-duplicates lie in the same fifth).
"""

import argparse
import json
import math
import random
import sys
from pathlib import Path

import torch
from transformers import CLIPImageProcessor, CLIPModel, LlamaForCausalLM, LlamaTokenizer

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
sys.path.insert(0, str(QUICKSTART / "models"))
from llava import ids_and_labels, load_images, load_records, patch_features, token_losses  # noqa: E402

BATCH, FOLDS, WARM_UP = 16, 5, 0.03


def samples_of(records):
    """(ids, labels, patches) of the records with a picture, by their places in the file."""
    models = QUICKSTART / "models"
    clip = CLIPModel.from_pretrained(models / "clip", torch_dtype=torch.float32).eval()
    pixels = load_images(QUICKSTART / "data", records, CLIPImageProcessor.from_pretrained(models / "clip"))
    pictured = [i for i, record in enumerate(records) if "image" in record]
    tokenizer = LlamaTokenizer.from_pretrained(models / "llama")
    patches = patch_features(clip, pixels)
    return {i: (*ids_and_labels(records[i], tokenizer), patches[place]) for place, i in enumerate(pictured)}


def fresh():
    """The language model and the projector as they are in the quickstart."""
    models = QUICKSTART / "models"
    llama = LlamaForCausalLM.from_pretrained(models / "llama", torch_dtype=torch.float32)
    state = {name.rsplit(".", 1)[1]: tensor for name, tensor in torch.load(models / "mm_projector.bin").items()}
    projector = torch.nn.Linear(*reversed(state["weight"].shape))
    projector.load_state_dict(state)
    return llama, projector


def shuffled(places, epochs, draw):
    """Batches of places: each epoch is shuffled anew and cut, the last batch holds what is left."""
    orders = [draw.sample(places, len(places)) for _ in range(epochs)]
    return [order[start : start + BATCH] for order in orders for start in range(0, len(order), BATCH)]


def tuned(samples, batches, learning_rate):
    """A model tuned on these batches, and the loss of each before its step."""
    llama, projector = fresh()
    optimizer = torch.optim.AdamW([*llama.parameters(), *projector.parameters()], lr=learning_rate, weight_decay=0.0)
    warm_up = math.ceil(WARM_UP * len(batches))

    def factor(step):
        if step < warm_up:
            return step / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, len(batches) - warm_up)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    losses = []
    for batch in batches:
        sums, counts = token_losses(llama, projector, [samples[i] for i in batch])
        loss = sums.sum() / counts.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return (llama, projector), losses


def measured(model, samples, places):
    """Summed loss of each of these samples, in nats."""
    sums = {}
    with torch.no_grad():
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            values = token_losses(*model, [samples[i] for i in batch])[0]
            sums.update(zip(batch, values.tolist()))
    return sums


def folds_of(places, records, draw):
    """FOLDS lists of places of about the same length; a cluster stays whole."""
    clusters = {}
    for i in places:
        clusters.setdefault(records[i]["cluster"], []).append(i)
    order = list(clusters.values())
    draw.shuffle(order)
    folds = [[] for _ in range(FOLDS)]
    for cluster in order:
        min(folds, key=len).extend(cluster)
    return folds


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--learning-rate", type=float, default=0.002)
    arguments.add_argument("--epochs", type=int, default=3)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    draw = random.Random(options.seed)
    records = load_records(QUICKSTART / "data")
    samples = samples_of(records)
    places = list(samples)

    before = measured(fresh(), samples, places)
    batches = shuffled(places, options.epochs, draw)
    model, log = tuned(samples, batches, options.learning_rate)
    trained_on = measured(model, samples, places)
    held_out = {}
    for fold in folds_of(places, records, draw):
        rest = [i for i in places if i not in set(fold)]
        model, _ = tuned(samples, shuffled(rest, options.epochs, draw), options.learning_rate)
        held_out.update(measured(model, samples, fold))

    tokens = [(labels[1:] >= 0).sum().item() for _, labels, _ in samples.values()]
    found = {"before": before, "trained_on": trained_on, "held_out": held_out}
    sums = {name: [losses[i] for i in places] for name, losses in found.items()}
    result = {"unique_idx": places, "tokens": tokens, "sums": sums, "batches": batches, "log": log}
    options.out.write_text(json.dumps(vars(options) | result, default=str))


if __name__ == "__main__":
    main()
