"""Stage 1: the language model, the projector and the score net are trained together."""

import math

import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from .text import IGNORE, IMAGE_ID, PAD_ID


def min_max(values):
    """Each to [-1, 1]; all equal: 0. In float64."""
    low, high = min(values), max(values)
    if low == high:
        return [0.0 for _ in values]
    return [(v - low) / (high - low) * 2 - 1 for v in values]


def batch_weights(features, score_net):
    """softmax over the batch of the score net's outputs: [B, F] x [1, F] -> [B]"""
    return torch.softmax((features @ score_net.T)[:, 0], dim=0)


def token_losses(logits, labels):
    """Cross entropy of the shifted logits, 0 where the label is ignored: [B, L - 1]"""
    log_probabilities = torch.log_softmax(logits[:, :-1].float(), dim=-1)
    target = labels[:, 1:]
    nll = -log_probabilities.gather(-1, target.clamp(min=0)[..., None])[..., 0]
    return torch.where(target == IGNORE, torch.zeros_like(nll), nll)


def weighted_loss(losses, labels, weights):
    counted = (labels[:, 1:] != IGNORE).sum()
    return (weights[:, None] * len(weights) * losses).sum() / counted


def learning_rate(step, total, peak, warmup):
    """Linear warm-up, then half a cosine down to 0."""
    if step < warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def collate(samples, max_length):
    """[(ids, labels)] -> padded ids, labels and mask; cut to max_length."""
    longest = min(max(len(ids) for ids, _ in samples), max_length)
    ids = torch.full((len(samples), longest), PAD_ID)
    labels = torch.full((len(samples), longest), IGNORE)
    for row, (i, l) in enumerate(samples):
        n = min(len(i), longest)
        ids[row, :n] = torch.tensor(i[:n])
        labels[row, :n] = torch.tensor(l[:n])
    return ids, labels, ids != PAD_ID


class Vlm(torch.nn.Module):
    def __init__(self, folder, projector, score_net):
        super().__init__()
        self.llama = LlamaForCausalLM.from_pretrained(folder, attn_implementation="eager").float()
        self.projector = torch.nn.Linear(*reversed(projector["model.mm_projector.weight"].shape))
        self.projector.weight.data.copy_(projector["model.mm_projector.weight"])
        self.projector.bias.data.copy_(projector["model.mm_projector.bias"])
        self.score_net = torch.nn.Parameter(score_net.clone())

    def named(self):
        """Parameters under the names of a checkpoint."""
        named = {n: p for n, p in self.llama.named_parameters()}
        named["model.mm_projector.weight"] = self.projector.weight
        named["model.mm_projector.bias"] = self.projector.bias
        named["score_net.weight"] = self.score_net
        return named

    def embed(self, ids, labels, mask, patches, max_length):
        """Patch features in the place of the image token; cut again, padded on the right."""
        rows = []
        for row, row_patches in enumerate(patches):
            keep_ids, keep_labels = ids[row][mask[row]], labels[row][mask[row]]
            parts, part_labels = [], []
            for token, label in _split_at_image(keep_ids, keep_labels):
                if token is None:
                    image = self.projector(row_patches)
                    parts.append(image)
                    part_labels.append(torch.full((len(image),), IGNORE))
                else:
                    parts.append(self.llama.model.embed_tokens(token))
                    part_labels.append(label)
            rows.append((torch.cat(parts)[:max_length], torch.cat(part_labels)[:max_length]))
        longest = max(len(e) for e, _ in rows)
        embeds = torch.stack([F.pad(e, (0, 0, 0, longest - len(e))) for e, _ in rows])
        new_labels = torch.stack([F.pad(l, (0, longest - len(l)), value=IGNORE) for _, l in rows])
        new_mask = torch.stack([torch.arange(longest) < len(e) for e, _ in rows])
        return embeds, new_labels, new_mask

    def forward(self, embeds, mask):
        return self.llama(inputs_embeds=embeds, attention_mask=mask, use_cache=False).logits


def _split_at_image(ids, labels):
    start = 0
    for at in (ids == IMAGE_ID).nonzero()[:, 0].tolist() + [len(ids)]:
        yield ids[start:at], labels[start:at]
        if at < len(ids):
            yield None, None
        start = at + 1


def train(model, tokens, patches, features, batches, lr, max_grad_norm, hyper):
    """tokens, patches, features by unique_idx; one record per step, and two of batch 0.

    max_grad_norm 0: no clipping.
    """
    named = model.named()
    start = {n: p.detach().clone() for n, p in named.items()}
    optimizer = torch.optim.AdamW(named.values(), lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    total, warmup = len(batches), math.ceil(len(batches) * hyper["warmup_ratio"])
    steps, first = [], {}
    for step, batch in enumerate(batches):
        ids, labels, mask = collate([tokens[i] for i in batch], hyper["max_len"])
        embeds, new_labels, new_mask = model.embed(ids, labels, mask, [patches[i] for i in batch], hyper["max_len"])
        logits = model(embeds, new_mask)
        if step == 0:
            first = dict(ids=ids, labels=labels, mask=mask, new_labels=new_labels, new_mask=new_mask,
                         logits=logits.detach().clone(), embeds=embeds.detach().clone())
        weights = batch_weights(torch.stack([features[i] for i in batch]), model.score_net)
        losses = token_losses(logits, new_labels)
        loss = weighted_loss(losses, new_labels, weights)
        optimizer.zero_grad()
        loss.backward()
        for p in named.values():
            # A batch without an image does not reach the projector: its gradient is 0, and
            # its moments still decay and move it, as with one flat buffer for all parameters.
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        counts = (new_labels[:, 1:] != IGNORE).sum(1)
        rate = learning_rate(step, total, lr, warmup)
        record = {
            "step": step,
            "unique_idx": batch,
            "loss": float(loss.detach()),
            "plain_mean_loss": float((losses.sum() / counts.sum()).detach()),
            "weights": weights.tolist(),
            "per_sample_mean_nll": [float(s / c) if c else None for s, c in zip(losses.detach().sum(1), counts)],
            "per_sample_tokens": counts.tolist(),
            "seq_len": embeds.shape[1],
            "lr": rate,
            "score_net_grad": model.score_net.grad[0].tolist(),
        }
        if step < 2:
            record["grad_l2"] = {n: float(p.grad.norm()) for n, p in named.items()}
        record["grad_norm"] = _clip(named.values(), max_grad_norm)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        record["score_net_weight_after"] = model.score_net[0].tolist()
        steps.append(record)
    return {
        "steps": steps,
        "hyper": {**hyper, "learning_rate": lr, "max_grad_norm": max_grad_norm, "total_steps": total,
                  "warmup_steps": warmup, "attn": "eager"},
        "final_checksums": {n: checksum(p.detach(), start[n]) for n, p in named.items()},
        "final_score_net": model.score_net[0].tolist(),
    }, first


def _clip(parameters, limit):
    parameters = list(parameters)
    norm = torch.stack([p.grad.norm() for p in parameters]).norm()
    if limit > 0:
        factor = torch.clamp(limit / (norm + 1e-6), max=1.0)
        for p in parameters:
            p.grad.mul_(factor)
    return float(norm)


def checksum(now, before):
    x, d = now.double(), (now - before).double()
    return {"shape": list(now.shape), "mean": float(x.mean()), "std": float(x.std(correction=0)), "l2": float(x.norm()),
            "delta_l2": float(d.norm()), "delta_max": float(d.abs().max())}
