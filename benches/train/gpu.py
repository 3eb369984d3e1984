"""Stage 1 at its real size on one GPU: `train.self_filter` beside plain PyTorch and transformers. gpu.sh starts it.

    python gpu.py [--rehearse] TROMMEL DATA WORK OUT [PART ..]

The model is LLaVA v1's shape (LLaMA-7B, CLIP ViT-L/14) with random weights in bfloat16, made once below WORK. Both sides take the same
batches twice, and the second time counts. A part that fails is written down, and the next one begins. Parts, in their order:

machine       what there is
model         the weights
checks        what the trainer takes for granted (gpu_checks.py)
ours          all parameters; activations of as many layers computed again as memory asks for, which may be none
recompute     the same with all layers' activations computed again
tokens        seconds of a step against its tokens
peer          the published program's step in plain PyTorch, activations computed again as it does
lora          ours with adapters
lora_peer     the same with peft
products      how fast this GPU multiplies matrices of these sizes (parts.py)
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import gpu_report
import ours
from gpu_watch import Watch, end

HERE = pathlib.Path(__file__).resolve().parent
BATCHES, SIZE = 6, 16  # Different ones, each of which comes twice; in a rehearsal 2 of 4.
LIMIT = 540  # Seconds of one program.
RANK = 128  # Of adapters; LLaVA's own scripts take this.


class Failed(Exception):
    pass


class Gpu:
    def __init__(self, given):
        self.trommel, self.data, self.work, self.out = given.trommel, given.data, given.work, given.out
        self.rehearse = given.rehearse
        self.device = "cpu" if given.rehearse else "cuda"
        self.shape = "tiny-bf16" if given.rehearse else "7b"
        self.model = self.work / self.shape
        self.samples = json.loads((self.data / "samples.json").read_text())

    def run(self, name, *command, **environment):
        """What a program says on standard output, and what was seen of it from outside. Its other words go to a log."""
        (self.out / "logs").mkdir(exist_ok=True)
        with open(self.out / "logs" / f"{name}.txt", "a") as log:
            process = subprocess.Popen(
                [str(word) for word in command], cwd=self.work, text=True, stdout=subprocess.PIPE, stderr=log,
                env=os.environ | {"TORCH_CUDNN_SDPA_DEPRIORITIZED": "1"} | environment,
            )
            watch = Watch(process.pid, with_gpu=not self.rehearse)
            try:
                said, _ = process.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                end(process)
                raise Failed(f"not finished in {LIMIT} s") from None
            finally:
                watch.stop()
            log.write(said)
        if process.returncode != 0:
            words = (self.out / "logs" / f"{name}.txt").read_text().strip().splitlines()
            raise Failed(f"exit status {process.returncode}: {' / '.join(words[-4:])[-800:]}")
        return said, watch

    def python(self, name, script, *arguments, **environment):
        return self.run(name, sys.executable, HERE / script, *arguments, **environment)

    def order(self):
        """The batches that everyone trains on, twice."""
        path = self.work / "order.json"
        count, size = (2, 4) if self.rehearse else (BATCHES, SIZE)
        path.write_text(json.dumps(ours.batches(self.samples, count, size) * 2))
        return path

    def lengths(self, batch):
        return ours.lengths(self.samples, batch, ours.patches(self.model))

    # The parts.

    def machine(self):
        words = "import torch, transformers; print(torch.__version__, transformers.__version__)"
        said, _ = self.run("machine", sys.executable, "-c", words)
        torch, transformers = said.split()
        found = {"torch": torch, "transformers": transformers, "processors": os.cpu_count(), "rehearsal": self.rehearse}
        if not self.rehearse:
            question = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version,clocks.max.sm", "--format=csv,noheader"]
            found["gpu"] = self.run("machine", *question)[0].strip()
        return found

    def make_model(self):
        if (self.model / "llama" / "tokenizer_config.json").exists():
            return {"made": "before"}
        begun = time.perf_counter()
        self.python("model", "make.py", "model", self.shape, self.data, self.model, self.device)
        return {"seconds": time.perf_counter() - begun}

    def checks(self):
        lengths = self.lengths(ours.batches(self.samples, 1)[0])
        heads, width = (4, 16) if self.rehearse else (32, 128)
        told = [self.device, json.dumps(lengths), heads, width]
        expandable = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
        found = {}
        for name, mode, environment in [
            ("attention", "attention", {}),
            ("attention, cuDNN first", "attention", {"TORCH_CUDNN_SDPA_DEPRIORITIZED": "0"}),
            ("kernels", "kernels", {}),
            ("allocator", "allocator", {}),
            ("allocator, expandable_segments", "allocator", expandable),
        ]:
            try:
                found[name] = json.loads(self.python("checks", "gpu_checks.py", mode, *told, **environment)[0])
            except Failed as error:
                found[name] = {"error": str(error)}
        return found

    def train(self, name, order, **settings):
        """A run of ours from the first step. The cache is kept for what it knows of the model's files."""
        batches = json.loads(order.read_text())
        folder = self.work / "ours" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        device = "cpu" if self.rehearse else "cuda:0"
        settings = {"precision": "bf16", "device": device} | settings
        (folder / "p.yaml").write_text(ours.pipeline(self.data, self.model, order, **settings))
        begun = time.perf_counter()
        cache = ["--cache", self.work / "cache"]
        run = ["run", folder / "p.yaml", "--to", "stage1", "--force", "stage1", "--json", *cache]
        said, watch = self.run(name, self.trommel, *run)
        whole = time.perf_counter() - begun
        show = ["show", folder / "p.yaml", "stage1.log", "--rows", len(batches), "--format", "json", *cache]
        log = json.loads(self.run(name, self.trommel, *show)[0])
        for row, batch in zip(log, batches, strict=True):
            row["lengths"] = self.lengths(batch)
            row["tokens"] = sum(row["lengths"])
        events = [event for event in map(json.loads, said.splitlines()) if event.get("node") == "stage1"]
        # What the trainer plans and warns of, and its last line beside the bar.
        words = [event["message"] for event in events if event.get("what") in ("log", "warning")]
        words += [event.get("note", "") for event in events if event.get("what") == "progress"][-1:]
        return {"steps": log, "whole": whole, "peak": watch.peak, "words": words, "worker_environment": watch.environment}

    def ours(self):
        return self.train("ours", self.order(), recompute=False)

    def recompute(self):
        return self.train("recompute", self.order(), recompute=True)

    def lora(self):
        return self.train("lora", self.order(), trainable="lora", recompute=False)

    def tokens(self):
        """Batches of 2 to 24 samples, the shortest and the longest, each twice."""
        ranked = sorted(self.samples, key=lambda sample: len(sample["ids"]))
        numbers = [sample["unique_idx"] for sample in ranked]
        batches = [numbers[:2], numbers[:8], numbers[:16], numbers[100:116], numbers[-16:], numbers[-24:]]
        batches = batches[:2] if self.rehearse else batches
        path = self.work / "tokens.json"
        path.write_text(json.dumps(batches * 2))
        return self.train("tokens", path, recompute=False)

    def train_peer(self, name, *more):
        out = self.work / f"{name}.json"
        told = [self.model, self.data, self.order(), out, "--precision", "bf16", "--device", self.device, *more]
        # As our worker has it: the peer's memory is not to fall into pieces either.
        _, watch = self.python(name, "peer.py", *told, PYTORCH_ALLOC_CONF="expandable_segments:True")
        return json.loads(out.read_text()) | {"peak": watch.peak}

    def peer(self):
        return self.train_peer("peer", "--recompute")

    def lora_peer(self):
        if self.run("lora_peer", sys.executable, "-c", "import importlib.util as u; print(u.find_spec('peft'))")[0].strip() == "None":
            return {"left_out": "peft is not installed here"}
        return self.train_peer("lora_peer", "--recompute", "--lora", RANK)

    def products(self):
        batch = ours.batches(self.samples, 1)[0]
        labels = sum(label >= 0 for number in batch for label in self.samples[number]["labels"])
        steps, out = self.work / "steps.json", self.work / "parts.json"
        steps.write_text(json.dumps([{"lengths": self.lengths(batch), "label_tokens": labels, "images": len(batch)}]))
        self.python("products", "parts.py", self.model, steps, out, "--precision", "bf16", "--device", self.device)
        return json.loads(out.read_text())[0] | {"tokens": sum(self.lengths(batch))}


PARTS = {
    "machine": Gpu.machine, "model": Gpu.make_model, "checks": Gpu.checks, "ours": Gpu.ours, "recompute": Gpu.recompute,
    "tokens": Gpu.tokens, "peer": Gpu.peer, "lora": Gpu.lora, "lora_peer": Gpu.lora_peer, "products": Gpu.products,
}


def main():
    parser = argparse.ArgumentParser()
    for name in ("trommel", "data", "work", "out"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("parts", nargs="*")
    given = parser.parse_args()
    gpu = Gpu(given)
    kept = given.work / f"results-{gpu.shape}.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for name in given.parts or PARTS:
        print(f"{name} ..", flush=True)
        begun = time.perf_counter()
        try:
            results[name] = PARTS[name](gpu)
        except Exception as error:
            results[name] = {"error": f"{type(error).__name__}: {error}"}
            print(f"{name} failed: {error}", flush=True)
        results[name]["took"] = time.perf_counter() - begun
        # After each part: who stops the rest leaves what there is.
        text = gpu_report.report(results, gpu.model)
        kept.write_text(json.dumps(results))
        (given.out / "results.json").write_text(json.dumps(results, indent=1))
        (given.out / "results.txt").write_text(text)
    print(text)


main()
