"""The parts of a training step, each timed alone with PyTorch at the sizes of the real one: what they would take if nothing stood
between them, and how fast this machine multiplies matrices of these sizes.

    python parts.py MODEL STEPS OUT [--precision f32|bf16] [--device cpu|cuda]

MODEL is a folder that make.py made. STEPS is a JSON list of {"lengths", "label_tokens", "images"}: tokens of each sample, places with a
label, and images that the vision tower sees for the first time. OUT gets for each step the seconds of every part.
"""

import argparse
import json
import pathlib
import time

import torch
from torch.nn import functional as F
from transformers import CLIPVisionModel

from flops import Shape

ROUNDS = 3


class Clock:
    """Least of a few rounds, after one that does not count."""

    def __init__(self, device):
        self.device = device

    def __call__(self, work):
        best = float("inf")
        for turn in range(ROUNDS + 1):
            begun = self.now()
            work()
            took = self.now() - begun
            best = min(best, took) if turn else best
        return best

    def now(self):
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


class Parts:
    def __init__(self, folder, dtype, device):
        self.shape, self.place, self.clock = Shape(folder / "llama"), {"dtype": dtype, "device": device}, Clock(device)
        self.tower = CLIPVisionModel.from_pretrained(folder / "clip", torch_dtype=dtype).to(device)

    def random(self, *sizes):
        return torch.randn(sizes, **self.place)

    def products(self, tokens, inputs, outputs):
        """A linear map forwards, and both gradients."""
        x, weight, y = self.random(tokens, inputs), self.random(outputs, inputs), self.random(tokens, outputs)
        return self.clock(lambda: F.linear(x, weight)) + self.clock(lambda: y @ weight) + self.clock(lambda: y.T @ x)

    def linear_maps(self, tokens):
        """All of the layers'."""
        width, inner = self.shape.width, self.shape.inner
        square, wide, narrow = (self.products(tokens, *sizes) for sizes in ((width, width), (width, inner), (inner, width)))
        return self.shape.layers * (4 * square + 2 * wide + narrow)

    def attention(self, lengths):
        heads, width = self.shape.heads, self.shape.width // self.shape.heads
        samples = [[self.random(1, heads, length, width).requires_grad_() for _ in "qkv"] for length in lengths]

        def work():
            for q, k, v in samples:
                out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
                torch.autograd.grad(out, (q, k, v), out.detach())

        return self.shape.layers * self.clock(work)

    def head(self, labels):
        hidden = self.random(labels, self.shape.width).requires_grad_()
        weight = self.random(self.shape.vocabulary, self.shape.width).requires_grad_()
        targets = torch.zeros(labels, dtype=torch.int64, device=self.place["device"])

        def work():
            F.cross_entropy(F.linear(hidden, weight).float(), targets).backward()
            hidden.grad = weight.grad = None

        return self.clock(work)

    def optimizer(self):
        """Of one layer, for all of them, and of embedding and head. Always over float32."""
        def seconds(count):
            parameter = torch.zeros(count, device=self.place["device"], requires_grad=True)
            parameter.grad = torch.randn_like(parameter)
            return self.clock(torch.optim.AdamW([parameter], fused=True).step)

        return self.shape.layers * seconds(self.shape.layer) + 2 * seconds(self.shape.head)

    def vision_tower(self, images):
        pixels = self.random(images, 3, 224, 224)
        with torch.inference_mode():
            return self.clock(lambda: self.tower(pixels)) if images else 0.0


def main():
    parser = argparse.ArgumentParser()
    for name in ("model", "steps", "out"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    parts = Parts(given.model, {"f32": torch.float32, "bf16": torch.bfloat16}[given.precision], given.device)
    optimizer = parts.optimizer()
    found = []
    for step in json.loads(given.steps.read_text()):
        tokens, labels = sum(step["lengths"]), step["label_tokens"]
        shape = parts.shape
        found.append({
            "linear_maps": parts.linear_maps(tokens), "attention": parts.attention(step["lengths"]),
            "head": parts.head(labels), "head_products": parts.products(labels, shape.width, shape.vocabulary),
            "optimizer": optimizer, "vision_tower": parts.vision_tower(step["images"]),
            "products_flops": 6 * (shape.layers * shape.layer * tokens + shape.head * labels),
        })
    given.out.write_text(json.dumps(found))


main()
