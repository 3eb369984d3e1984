"""`train.self_filter` beside the same job in plain PyTorch and transformers: same random weights of published shape (a LLaMA with 110
million parameters in its products, a ViT-B/32), same batches of real lengths, same number of threads, float32, and the same losses, else
there is nothing to compare.

The samples are a folder with annotations.json and images/, named by TROMMEL_BENCH_DATA; else made-up ones. TROMMEL_BENCH_SHAPE (tiny)
and TROMMEL_BENCH_STEPS are for trials.
"""

import json
import math
import os
import pathlib
import shutil
import time

from extract import Extraction, once
from measure import run_with_peak
from train import flops, ours, symbols

SCRIPTS = pathlib.Path(__file__).resolve().parent / "train"
STEPS = 5  # The first does not count.
CLOSE = 1e-5
# As our worker sets it for itself: pages are kept, and threads sleep while they wait.
WORKERS = {"MALLOC_MMAP_THRESHOLD_": "1099511627776", "MALLOC_TRIM_THRESHOLD_": "1099511627776", "OMP_WAIT_POLICY": "PASSIVE"}
# The peer in each way that could be its best; the fastest counts. Its memory and the least of all are compared with.
WAYS = {"sdpa": ("sdpa", {}), "eager": ("eager", {}), "sdpa, our worker's environment": ("sdpa", WORKERS)}
# Of each trained parameter in float32: itself and AdamW's two moments. Gradients are not among them.
FIXED_BYTES = 12


class Training:
    def __init__(self, bench):
        self.bench = bench
        extraction = Extraction(bench)
        self.torch, self.threads = extraction.torch, extraction.threads
        shape = os.environ.get("TROMMEL_BENCH_SHAPE", "110m")
        self.folder = bench.folder(f"train-{shape}")
        self.data, self.model = self.folder / "data", self.folder / "model"
        if not (self.data / "samples.json").exists():
            self.script("make.py", "data", extraction.data, self.torch.tokenizer(), self.data)
        if not (self.model / "llama" / "tokenizer_config.json").exists():
            self.script("make.py", "model", shape, self.data, self.model)
        self.samples = json.loads((self.data / "samples.json").read_text())
        self.order = ours.batches(self.samples, int(os.environ.get("TROMMEL_BENCH_STEPS", STEPS)))
        (self.folder / "order.json").write_text(json.dumps(self.order))

    def script(self, name, *arguments, **environment):
        """Its peak memory in MB."""
        command = [self.torch.python, SCRIPTS / name, *arguments]
        return run_with_peak(command, self.folder, **(self.torch.environment() | environment))[1]

    def ours(self, *before):
        """The log of a run from nothing, and its peak memory in MB."""
        folder = self.folder / "ours"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        settings = {"precision": "f32", "device": "cpu"}
        text = ours.pipeline(self.data, self.model, self.folder / "order.json", **settings)
        (folder / "p.yaml").write_text(text)
        environment = {"TROMMEL_THREADS": self.threads, "OMP_NUM_THREADS": self.threads}
        command = [*before, self.bench.trommel, "run", "p.yaml", "--to", "stage1"]
        _, peak, _ = run_with_peak(command, folder, **environment)
        show = [self.bench.trommel, "show", "p.yaml", "stage1.log", "--format", "json"]
        return json.loads(run_with_peak(show, folder)[2]), peak

    def theirs(self, way):
        attention, environment = WAYS[way]
        out = self.folder / "theirs.json"
        arguments = [self.model, self.data, self.folder / "order.json", out, "--attention", attention]
        peak = self.script("peer.py", *arguments, **environment)
        said = json.loads(out.read_text())
        return said["steps"], peak, said["trained"]

    def parts(self, steps):
        """Seconds of each part of the counted steps when it runs alone."""
        images = ours.new_images(self.samples, self.order)
        told = [
            {"lengths": step["lengths"], "label_tokens": step["label_tokens"], "images": images[step["step"]]}
            for step in steps[1:]
        ]
        given, out = self.folder / "steps.json", self.folder / "parts.json"
        given.write_text(json.dumps(told))
        self.script("parts.py", self.model, given, out, **WORKERS)
        found = json.loads(out.read_text())
        return {name: sum(step[name] for step in found) for name in found[0]}

    def symbols(self):
        """Another run, with its functions sampled; none where there is no perf."""
        if not shutil.which("perf"):
            self.bench.say("train: no perf here; functions are not sampled")
            return None
        recorded = self.folder / "perf.data"
        begun = time.perf_counter()
        log, _ = self.ours("perf", "record", "-q", "-F", "199", "-o", recorded, "--")
        whole = time.perf_counter() - begun
        return symbols.shares(recorded, "trommel-torch", min(1, sum(step["seconds"] for step in log) / whole))


def counted(steps, name):
    return sum(step[name] for step in steps[1:])


def train(bench):
    training = Training(bench)
    log, peak = training.ours()
    best, least = None, math.inf
    for way in WAYS:
        steps, their_peak, trained = training.theirs(way)
        compare(log, steps, way)
        bench.note(f"train: peer, {way}: a step (s)", counted(steps, "seconds") / len(steps[1:]))
        bench.note(f"train: peer, {way}: peak memory (MB)", their_peak)
        if best is None or counted(steps, "seconds") < counted(best[1], "seconds"):
            best = way, steps, their_peak
        least = min(least, their_peak)
    way, steps, their_peak = best
    # Before and after the peers: the machine may be busier at another time. The mean counts.
    again, peak_again = training.ours()
    compare(again, steps, way)
    log = [row | {"seconds": (row["seconds"] + other["seconds"]) / 2} for row, other in zip(log, again, strict=True)]
    peak = max(peak, peak_again)
    report(bench, log, peak, way, steps, (their_peak, least), trained)
    where(bench, training, log, steps)


def compare(log, steps, way):
    """Nothing is compared but the same job."""
    pairs = list(zip(log, steps, strict=True))
    apart = max(abs(mine["loss"] - its["loss"]) for mine, its in pairs)
    if not apart <= CLOSE:
        raise SystemExit(f"bench: train: the peer ({way}) has other losses, {apart:.1e} apart; {CLOSE} is allowed")
    if any(mine["label_tokens"] != its["label_tokens"] for mine, its in pairs):
        raise SystemExit(f"bench: train: the peer ({way}) counts other labels")


def report(bench, log, peak, way, steps, their_peaks, trained):
    tokens, count = counted(steps, "tokens"), len(steps) - 1
    mine, its = counted(log, "seconds"), counted(steps, "seconds")
    bench.add("train, a step of 16 samples", once(mine / count), f"PyTorch, {way}", once(its / count), target_ratio=2.2)
    bench.note("train: real tokens a second", tokens / mine)
    bench.note("train: real tokens a second, peer", tokens / its)
    padded = sum(step["rows"] * step["longest"] for step in steps[1:])
    bench.note("train: padding of the peer's batches (%)", 100 * (1 - tokens / padded))
    bench.note("train: losses apart at most (1e-6)", max(abs(a["loss"] - b["loss"]) for a, b in zip(log, steps)) * 1e6)
    fixed = trained * FIXED_BYTES / 1e6
    bench.note("train: weights and moments (MB; 12 bytes a trained parameter, gradients not among them)", fixed)
    bench.note("train: peak memory (MB)", peak)
    for which, their_peak in zip(("fastest", "most modest"), their_peaks, strict=True):
        bench.note(f"train: peak memory, the {which} peer (MB)", their_peak)
        share = (peak - fixed) / (their_peak - fixed)
        bench.note(f"train: memory above weights and moments, share of the {which} peer's (target: at most 0.35)", share)
    lines = ["step  tokens  padded  labels  seconds   peer's  loss"]
    for a, b in zip(log, steps):
        numbers = f"{b['tokens']:6}  {b['rows'] * b['longest']:6}  {b['label_tokens']:6}"
        lines.append(f"{b['step']:4}  {numbers}  {a['seconds']:7.2f}  {b['seconds']:7.2f}  {a['loss']:.6f}")
    bench.texts["train: the steps (the first is not counted)"] = "\n".join(lines)


def where(bench, training, log, steps):
    parts, seconds = training.parts(steps), counted(log, "seconds")
    shape = flops.Shape(training.model / "llama")
    limit = parts["linear_maps"] + parts["head_products"]
    needed = sum(flops.needed(shape, step["lengths"], step["label_tokens"]) for step in steps[1:])
    bench.note("train: products of these sizes alone (GFLOP/s)", parts["products_flops"] / limit / 1e9)
    bench.note("train: what a step needs, by its seconds (GFLOP/s)", needed / seconds / 1e9)
    bench.note("train: seconds over those of the products alone", seconds / limit)
    names = ["linear_maps", "attention", "head", "optimizer", "vision_tower"]
    lines = [f"{name.replace('_', ' '):14} {parts[name]:7.2f} s {parts[name] / seconds:6.1%}" for name in names]
    rest = seconds - sum(parts[name] for name in names)
    lines += [f"{'rest':14} {rest:7.2f} s {rest / seconds:6.1%}", f"{'all':14} {seconds:7.2f} s"]
    bench.texts["train: parts of the counted steps, each timed alone in PyTorch"] = "\n".join(lines)
    sampled = training.symbols()
    if sampled:
        shares, others = sampled
        lines = [f"{group:36} {share:6.1%}" for group, share in sorted(shares.items(), key=lambda item: -item[1])]
        lines += [f"  of the rest: {share:.1f}% {name}" for share, name in others]
        bench.texts["train: where the worker was, by functions (perf, during the steps)"] = "\n".join(lines)
