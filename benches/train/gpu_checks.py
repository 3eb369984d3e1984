"""What the trainer takes for granted of PyTorch on a GPU, each looked at by itself. Says in JSON what it found.

    python gpu_checks.py attention|kernels|allocator DEVICE LENGTHS HEADS WIDTH

attention  which kernel scaled_dot_product_attention takes, and what a length costs that it has not seen; run it with and without
           TORCH_CUDNN_SDPA_DEPRIORITIZED
kernels    flash attention over samples end to end (forwards and backwards) beside SDPA for each sample; RMSNorm in one call beside
           transformers'
allocator  whether PYTORCH_ALLOC_CONF=expandable_segments:True, set from outside, has an effect

LENGTHS is a JSON list: tokens of the samples of a batch. HEADS of WIDTH.
"""

import json
import sys
import time
import traceback

import torch
from torch.nn import functional as F

CHOICES = {-1: "none", 0: "math", 1: "flash", 2: "memory-efficient", 3: "cuDNN", 4: "overridden"}


class Checks:
    def __init__(self, device, lengths, heads, width):
        self.device, self.lengths, self.heads, self.width = device, lengths, heads, width
        torch.manual_seed(1)

    def random(self, *sizes):
        return torch.randn(sizes, device=self.device, dtype=torch.bfloat16).requires_grad_()

    def qkv(self, length):
        return [self.random(1, self.heads, length, self.width) for _ in "qkv"]

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def choice(self):
        found = {}
        for length in (64, 300, 700, 2048):
            q, k, v = self.qkv(length)
            mask = torch.ones(1, 1, length, length, device=self.device, dtype=torch.bool).tril()
            causal = torch._fused_sdp_choice(q, k, v, None, 0.0, True)
            masked = torch._fused_sdp_choice(q, k, v, mask, 0.0, False)
            found[length] = {"causal": CHOICES[causal], "with a mask": CHOICES[masked]}
        return found

    def new_lengths(self):
        """Seconds forwards and backwards, the first time that a length is seen and the second."""
        def once(length):
            q, k, v = self.qkv(length)
            begun = self.wait()
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            torch.autograd.grad(out, (q, k, v), out.detach())
            return self.wait() - begun

        once(77)
        lengths = [111, 222, 333, 444]
        return {"first": [once(length) for length in lengths], "second": [once(length) for length in lengths]}

    def packed_attention(self):
        """Errors against float32, of the packed kernel and of SDPA for each sample; both are to be those of bfloat16."""
        q, k, v = (self.random(sum(self.lengths), self.heads, self.width) for _ in "qkv")
        gradient = torch.randn_like(q)
        ends = torch.tensor([0, *self.lengths], device=self.device).cumsum(0).to(torch.int32)
        longest = max(self.lengths)

        def packed(q, k, v):
            return torch.ops.aten._flash_attention_forward(q, k, v, ends, ends, longest, longest, 0.0, True, False)[0]

        def each(q, k, v):
            parts = zip(*(x.split(self.lengths) for x in (q, k, v)), strict=True)
            outs = [F.scaled_dot_product_attention(*(x.transpose(0, 1)[None] for x in part), is_causal=True) for part in parts]
            return torch.cat([out[0].transpose(0, 1) for out in outs])

        def all_of(attend, *inputs):
            out = attend(*inputs)
            return [out, *torch.autograd.grad(out, inputs, gradient.to(out.dtype))]

        exact = all_of(each, *(x.detach().float().requires_grad_() for x in (q, k, v)))
        names = ("out", "dq", "dk", "dv")

        def errors(found):
            return {name: (a.float() - b).abs().max().item() for name, a, b in zip(names, found, exact, strict=True)}

        found = {"tokens": sum(self.lengths), "each sample": errors(all_of(each, q, k, v))}
        if self.device != "cuda":
            return found | {"packed": "there is no such kernel on the CPU"}
        return found | {"packed": errors(all_of(packed, q, k, v))}

    def norm(self):
        """Share of the elements that differ from transformers' LlamaRMSNorm, the weight multiplied outside or inside of the call."""
        from transformers.models.llama.modeling_llama import LlamaRMSNorm

        hidden = self.heads * self.width
        x, layer = self.random(sum(self.lengths), hidden), LlamaRMSNorm(hidden, 1e-6)
        layer.weight.data.uniform_(0.5, 1.5)
        layer.to(self.device, torch.bfloat16)
        theirs = layer(x)
        outside = F.rms_norm(x, (hidden,), None, 1e-6) * layer.weight
        inside = F.rms_norm(x, (hidden,), layer.weight, 1e-6)
        return {"outside": (outside != theirs).float().mean().item(), "inside": (inside != theirs).float().mean().item()}

    def expandable(self):
        if self.device != "cuda":
            return "there is no such allocator on the CPU"
        kept = [torch.empty(64 << 20, dtype=torch.uint8, device="cuda") for _ in range(4)]
        segments = torch.cuda.memory_snapshot()
        return {"segments": len(segments), "expandable": sum(bool(s.get("is_expandable")) for s in segments), "tensors": len(kept)}


MODES = {
    "attention": ["choice", "new_lengths"],
    "kernels": ["packed_attention", "norm"],
    "allocator": ["expandable"],
}


def main():
    mode, device, lengths, heads, width = sys.argv[1:]
    checks, found = Checks(device, json.loads(lengths), int(heads), int(width)), {}
    for name in MODES[mode]:
        try:
            found[name] = getattr(checks, name)()
        except Exception as error:
            traceback.print_exc()
            found[name] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found))


main()
