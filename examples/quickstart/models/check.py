"""Runs the quickstart's Self-Filter job in plain PyTorch and says what it picks: python check.py [--seeds 42 43 44]

An independent second opinion on `trommel run pipelines/quickstart.yaml`; it reads the same data and models.
"""

import argparse
import collections
import json
import math
import time
from pathlib import Path

import torch
from llava import ids_and_labels, load_images, load_records, patch_features, sample_text, token_losses
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizerFast, LlamaForCausalLM, LlamaTokenizer

HERE = Path(__file__).parent
KINDS = ["trivial", "normal", "hard", "wrong", "text_only"]


def clip_vectors(clip, tokenizer, pixels, pictured):
    """[n, 2 * projection]: image then text embedding, each of length 1."""
    rows = [torch.tensor(tokenizer(sample_text(r), truncation=True, max_length=77).input_ids) for r in pictured]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=tokenizer.eos_token_id)
    with torch.no_grad():
        halves = clip.get_image_features(pixels), clip.get_text_features(ids)
    return torch.cat([half / half.norm(dim=1, keepdim=True) for half in halves], dim=1)


def scaled(values):
    """Scores (None where there is none) scaled to [-1, 1]."""
    known = [v for v in values if v is not None]
    low, high = min(known), max(known)
    return [None if v is None else (v - low) / (high - low) * 2 - 1 for v in values]


def stage1(samples, features, options, seed):
    """Trains LLaVA with the score net; gives the net's weights [1, F]."""
    torch.manual_seed(seed)
    llama = LlamaForCausalLM.from_pretrained(options.models / "llama", torch_dtype=torch.float32)
    projector = torch.nn.Linear(64, llama.config.hidden_size)
    state = torch.load(options.models / "mm_projector.bin")
    projector.load_state_dict({name.rsplit(".", 1)[1]: tensor for name, tensor in state.items()})
    net = torch.nn.Linear(features.shape[1], 1, bias=False)
    torch.nn.init.normal_(net.weight, 0, 0.02)
    parameters = [*llama.parameters(), *projector.parameters(), *net.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=0.0)
    per_epoch = math.ceil(len(samples) / options.batch_size)
    total = per_epoch * options.epochs
    warm_up = math.ceil(0.03 * total)

    def factor(step):
        if step < warm_up:
            return step / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (total - warm_up)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    means = []
    for epoch in range(options.epochs):
        order = torch.randperm(len(samples)).tolist()
        by_kind = collections.defaultdict(list)
        for start in range(0, len(order), options.batch_size):
            picks = order[start : start + options.batch_size]
            sums, counts = token_losses(llama, projector, [samples[i] for i in picks])
            weights = torch.softmax(net(features[picks]).squeeze(1), 0)
            loss = (len(picks) * weights * sums).sum() / counts.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            for i, s in zip(picks, sums.tolist()):
                by_kind[options.kinds[i]].append(s)
        means.append({k: round(sum(by_kind[k]) / len(by_kind[k]), 2) for k in KINDS})
    return net.weight.detach(), means


def select(difficulty, vectors, count, k, gamma=1.0):
    """The greedy picks, each lowering its k nearest neighbours (rows of `vectors` of length sqrt 2)."""
    difficulty, left, picks = difficulty.double().clone(), set(range(len(difficulty))), []
    similarity = (vectors @ vectors.T / 2).double()
    for _ in range(count):
        best = min(left, key=lambda i: (-difficulty[i].item(), i))
        left.remove(best)
        picks.append(best)
        for j in sorted(left, key=lambda i: (-similarity[best, i].item(), i))[:k]:
            difficulty[j] -= difficulty[best] * similarity[best, j] ** 2 * gamma
    return picks


def shares(kinds, picks):
    taken, all_of = collections.Counter(kinds[i] for i in picks), collections.Counter(kinds)
    return ", ".join(f"{k} {taken[k]}/{all_of[k]} ({taken[k] / all_of[k]:.0%})" for k in KINDS if all_of[k])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=HERE.parent / "data")
    arguments.add_argument("--models", type=Path, default=HERE)
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--batch-size", type=int, default=16)
    arguments.add_argument("--learning-rate", type=float, default=2e-3)
    arguments.add_argument("--keep", type=int, default=57)
    arguments.add_argument("--k", type=int, default=3)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[42])
    options = arguments.parse_args()
    torch.set_num_threads(1)
    begin, cpu = time.time(), time.process_time()

    records = load_records(options.data)
    pictured = [i for i, r in enumerate(records) if "image" in r]
    options.kinds = [r["kind"] for r in records]
    clip = CLIPModel.from_pretrained(options.models / "clip", torch_dtype=torch.float32).eval()
    pixels = load_images(options.data, records, CLIPImageProcessor.from_pretrained(options.models / "clip"))
    tokenizer = CLIPTokenizerFast.from_pretrained(options.models / "clip")
    vectors = clip_vectors(clip, tokenizer, pixels, [records[i] for i in pictured])
    width = vectors.shape[1] // 2
    recorded = [json.loads((options.data / "scores" / f"{name}.json").read_text()) for name in ("image_reward", "judge")]
    clip_score = dict(zip(pictured, (vectors[:, :width] * vectors[:, width:]).sum(1).tolist()))
    columns = [[clip_score.get(i) for i in range(len(records))], *([c[str(i)] for i in range(len(records))] for c in recorded)]
    columns = [scaled(column) for column in columns]

    # A record without a picture takes part in the training with features of zero; it is never ranked.
    settings = {"clip": torch.zeros(len(records), 2 * width), "scores": torch.zeros(len(records), 3)}
    settings["clip"][pictured] = vectors
    for i in pictured:
        settings["scores"][i] = torch.tensor([column[i] for column in columns])

    llama_tokenizer = LlamaTokenizer.from_pretrained(options.models / "llama")
    patches = dict(zip(pictured, patch_features(clip, pixels)))
    samples = [(*ids_and_labels(r, llama_tokenizer), patches.get(i)) for i, r in enumerate(records)]
    print(f"features: {time.time() - begin:.1f} s wall, {time.process_time() - cpu:.1f} s processor")
    for kind in KINDS[:4]:
        of = [i for i in pictured if options.kinds[i] == kind]
        print(f"  mean of {kind}: clip_score {sum(clip_score[i] for i in of) / len(of):.3f}, "
              f"image_reward {sum(recorded[0][str(i)] for i in of) / len(of):.2f}, judge {sum(recorded[1][str(i)] for i in of) / len(of):.1f}")  # fmt: skip

    clusters = [r["cluster"] for r in records]
    kinds = [options.kinds[i] for i in pictured]
    for name, features in settings.items():
        for seed in options.seeds:
            begin, cpu = time.time(), time.process_time()
            weights, means = stage1(samples, features, options, seed)
            difficulty = -(features[pictured].double() @ weights.double().T).squeeze(1)
            picks = select(difficulty, vectors, options.keep, options.k)
            print(f"{name}, seed {seed}: {time.time() - begin:.1f} s wall, {time.process_time() - cpu:.1f} s processor")
            print(f"  loss per sample, epoch by epoch: {means}")
            if name == "scores":
                print("  weights of clip_score, image_reward, judge:", [round(w, 4) for w in weights[0].tolist()])
            print("  picked:", shares(kinds, picks))
            hardest = sorted(range(len(kinds)), key=lambda i: -difficulty[i].item())[: options.keep]
            print("  hardest without diversity:", shares(kinds, hardest))
            distinct = [len({clusters[pictured[i]] for i in some}) for some in (picks, hardest)]
            print(f"  clusters among the picks: {distinct[0]} of {options.keep}; without diversity {distinct[1]}")


if __name__ == "__main__":
    main()
