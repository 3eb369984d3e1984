"""Stage 1 in plain PyTorch and transformers, as the published program computes it: samples padded to the longest of their batch,
scores of every word at every place, the vision tower once for each batch.

    python peer.py MODEL DATA ORDER OUT [--precision f32|bf16] [--device cpu|cuda] [--attention sdpa|eager] [--recompute] [--lora RANK]

MODEL and DATA are folders that make.py made, ORDER a JSON list of batches of unique_idx. OUT gets, as JSON, what each step took and gave.
In its favour: images are read and cropped beforehand, and transformers' own cross entropy, which the published program computes
besides and throws away, is not.
"""

import argparse
import json
import math
import pathlib
import time

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import CLIPVisionModel, LlamaForCausalLM

IMAGE, IGNORED, PADDING = -200, -100, 0
MAX_LENGTH, WARMUP, RATE = 2048, 0.03, 2e-5
SCORES = ["clip_score", "image_reward", "judge"]
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Samples:
    def __init__(self, folder):
        self.samples = json.loads((folder / "samples.json").read_text())
        self.crops = safe_open(folder / "crops.safetensors", "pt")
        columns = [self.scaled(json.loads((folder / f"{name}.json").read_text())) for name in SCORES]
        self.features = torch.tensor(columns).T.float()

    def scaled(self, scores):
        values = [scores[str(sample["unique_idx"])] for sample in self.samples]
        low, high = min(values), max(values)
        return [(value - low) / (high - low) * 2 - 1 for value in values]

    def batch(self, numbers):
        """Padded ids, labels and mask `[B, L]`, pixels `[images, 3, 224, 224]`, features `[B, 3]`."""
        samples = [self.samples[number] for number in numbers]
        longest = min(max(len(sample["ids"]) for sample in samples), MAX_LENGTH)

        def rows(name, filler):
            return torch.tensor([(s[name] + [filler] * longest)[:longest] for s in samples])

        ids, labels = rows("ids", PADDING), rows("labels", IGNORED)
        pixels = [self.crops.get_tensor(s["image"]) for s in samples if s["image"]]
        pixels = torch.stack([(crop / 255 - MEAN) / DEVIATION for crop in pixels]) if pixels else None
        return ids, labels, ids != PADDING, pixels, self.features[numbers]


class Vlm(torch.nn.Module):
    def __init__(self, folder, dtype, attention):
        super().__init__()
        # Not `.to(dtype)`: that would round the rotary frequencies too.
        self.llama = LlamaForCausalLM.from_pretrained(folder / "llama", torch_dtype=dtype, attn_implementation=attention)
        self.tower = CLIPVisionModel.from_pretrained(folder / "clip", torch_dtype=dtype, attn_implementation="sdpa")
        self.tower.requires_grad_(False)
        weights = load_file(folder / "projector.safetensors")
        self.projector = torch.nn.Linear(*reversed(weights["model.mm_projector.weight"].shape)).to(dtype)
        self.projector.load_state_dict({name.split(".")[-1]: value for name, value in weights.items()})
        index = json.loads((folder / "llama" / "model.safetensors.index.json").read_text())["weight_map"]
        with safe_open(folder / "llama" / index["score_net.weight"], "pt") as file:
            self.score_net = torch.nn.Parameter(file.get_tensor("score_net.weight").float())

    def embed(self, ids, labels, mask, pixels):
        """The patches put in the place of the image, cut and padded again: embeddings `[B, L, hidden]`, labels and mask `[B, L]`."""
        images = []
        if pixels is not None:
            with torch.no_grad():
                states = self.tower(pixels.to(self.projector.weight.dtype), output_hidden_states=True).hidden_states
            images = list(self.projector(states[-2][:, 1:]))
        words = self.llama.get_input_embeddings()
        rows = []
        for row, kept in enumerate(mask):
            row_ids, row_labels = ids[row][kept], labels[row][kept]
            if IMAGE not in row_ids:
                rows.append((words(row_ids), row_labels))
                continue
            [at] = (row_ids == IMAGE).nonzero()[:, 0].tolist()
            image = images.pop(0)
            parts = [words(row_ids[:at]), image, words(row_ids[at + 1 :])]
            no_labels = row_labels.new_full((len(image),), IGNORED)
            rows.append((torch.cat(parts)[:MAX_LENGTH], torch.cat([row_labels[:at], no_labels, row_labels[at + 1 :]])[:MAX_LENGTH]))
        longest = max(len(labels) for _, labels in rows)
        embeddings = torch.stack([F.pad(row, (0, 0, 0, longest - len(row))) for row, _ in rows])
        new_labels = torch.stack([F.pad(row, (0, longest - len(row)), value=IGNORED) for _, row in rows])
        new_mask = torch.stack([torch.arange(longest, device=ids.device) < len(row) for row, _ in rows])
        return embeddings, new_labels, new_mask

    def loss(self, embeddings, labels, mask, features):
        logits = self.llama(inputs_embeds=embeddings, attention_mask=mask, use_cache=False).logits.float()
        targets = labels[:, 1:]
        counted = targets != IGNORED
        nll = -torch.log(torch.softmax(logits[:, :-1], -1)).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
        weights = torch.softmax(F.linear(features, self.score_net)[:, 0], 0) * len(features)
        return (weights[:, None] * nll.masked_fill(~counted, 0)).sum() / counted.sum()


class Optimizer:
    """AdamW. Where the model is in bfloat16, over float32 copies, as DeepSpeed keeps them; a group at a time, so that the
    gradients of one group only are there in float32."""

    def __init__(self, groups):
        self.groups = []
        for parameters in groups:
            masters = [p if p.dtype == torch.float32 else p.detach().float().requires_grad_() for p in parameters]
            optimizer = torch.optim.AdamW(masters, lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, fused=True)
            self.groups.append((parameters, masters, optimizer))

    @torch.no_grad()
    def step(self, rate):
        for parameters, masters, optimizer in self.groups:
            copied = [(p, m) for p, m in zip(parameters, masters, strict=True) if p is not m]
            for parameter, master in copied:
                master.grad, parameter.grad = parameter.grad.float(), None
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
            optimizer.zero_grad()
            for parameter, master in copied:
                parameter.copy_(master)


def groups(vlm):
    """What is trained: the layers one by one, then the rest."""
    trained = [p for p in vlm.parameters() if p.requires_grad]
    layers = [module for name, module in vlm.llama.named_modules() if name.split(".")[-2:-1] == ["layers"]]
    grouped = [[p for p in layer.parameters() if p.requires_grad] for layer in layers]
    inside = {id(p) for group in grouped for p in group}
    return [*grouped, [p for p in trained if id(p) not in inside]]


def learning_rate(step, steps):
    warmup = math.ceil(WARMUP * steps)
    if step < warmup:
        return RATE * step / warmup
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def train(vlm, samples, order, device):
    optimizer = Optimizer(groups(vlm))
    steps = []
    for step, numbers in enumerate(order):
        begun = time.perf_counter()
        ids, labels, mask, pixels, features = samples.batch(numbers)
        pixels = None if pixels is None else pixels.to(device)
        embeddings, labels, mask = vlm.embed(ids.to(device), labels.to(device), mask.to(device), pixels)
        loss = vlm.loss(embeddings, labels, mask, features.to(device))
        loss.backward()
        optimizer.step(learning_rate(step, len(order)))
        loss = loss.item()
        if device == "cuda":
            torch.cuda.synchronize()
        steps.append({
            "step": step, "seconds": time.perf_counter() - begun, "loss": loss, "tokens": int(mask.sum()),
            "rows": len(mask), "longest": mask.shape[1], "lengths": mask.sum(1).tolist(),
            "label_tokens": int((labels[:, 1:] != IGNORED).sum()),
        })
        print(f"step {step}: {steps[-1]['seconds']:.3f} s, loss {loss:.6f}", flush=True)
    return steps


def with_adapters(vlm, rank):
    from peft import LoraConfig, get_peft_model

    vlm.llama = get_peft_model(vlm.llama, LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=TARGETS))


def main():
    parser = argparse.ArgumentParser()
    for name in ("model", "data", "order", "out"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--lora", type=int)
    given = parser.parse_args()
    torch.manual_seed(1)
    vlm = Vlm(given.model, {"f32": torch.float32, "bf16": torch.bfloat16}[given.precision], given.attention)
    vlm.to(given.device).train()
    if given.lora:
        with_adapters(vlm, given.lora)
        vlm.llama.enable_input_require_grads()
    if given.recompute:
        vlm.llama.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    samples = Samples(given.data)
    steps = train(vlm, samples, json.loads(given.order.read_text()), given.device)
    said = {"steps": steps, "trained": sum(p.numel() for p in vlm.parameters() if p.requires_grad)}
    if given.device == "cuda":
        said |= {"allocated": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}
    given.out.write_text(json.dumps(said))


main()
