"""What gpu.py found, as a table for eyes."""

import json
import math

from flops import Shape, needed, padded

PEAK = 989e12  # Dense bfloat16 of an H100 and an H200, in FLOP/s.
SAMPLES, EPOCHS, BATCH, MEAN_TOKENS = 157_712, 3, 16, 559  # The published job; tokens as estimated from its files' sizes.
# Of all parameters: weights in bfloat16, their float32 copies and two moments.
FIXED_BYTES = 14
RUNS = {
    "ours": "trommel", "recompute": "trommel, recompute", "peer": "PyTorch, recompute", "lora": "trommel, LoRA",
    "lora_peer": "peft, recompute",
}


def report(results, model):
    lines = []
    for name, found in results.items():
        if problem := found.get("error") or found.get("left_out"):
            lines.append(f"{name}: NOT MEASURED: {problem}")
    if machine := results.get("machine"):
        lines.append(f"machine: {json.dumps(machine)}")
    if not (model / "llama" / "config.json").exists():
        return "\n".join(lines) + "\n"
    shape = Shape(model / "llama")
    measured = {name: run_of(results[name], shape, "lora" not in name) for name in RUNS if results.get(name, {}).get("steps")}
    lines += ["", *runs(measured), "", *comparisons(measured)]
    if results.get("tokens", {}).get("steps"):
        lines += ["", *line_through(results["tokens"])]
    if "ours" in results or "recompute" in results:
        lines += ["", *memory(results, shape)]
    if "head_products" in results.get("products", {}):
        lines += ["", *products(results["products"])]
    for name, found in results.get("checks", {}).items():
        if isinstance(found, dict):
            lines += [f"checks, {name}: {part}: {json.dumps(said)}" for part, said in found.items()]
    return "\n".join(lines) + "\n"


def counted(found):
    """The second time that the batches come: lengths are known, images are seen."""
    return found["steps"][len(found["steps"]) // 2 :]


def run_of(found, shape, full):
    steps = counted(found)
    seconds, tokens = sum(step["seconds"] for step in steps), sum(step["tokens"] for step in steps)
    needs = sum(needed(shape, step["lengths"], step["label_tokens"], full) for step in steps)
    measured = {
        "losses": [step["loss"] for step in found["steps"]], "step": seconds / len(steps), "tokens": tokens / seconds,
        "mfu": needs / seconds / PEAK, "peak": found["peak"] or found.get("reserved"),
    }
    if "longest" in steps[0]:
        does = sum(padded(shape, step["rows"], step["longest"], True, full) for step in steps)
        measured |= {"busy": does / seconds / PEAK, "padding": 1 - tokens / sum(s["rows"] * s["longest"] for s in steps)}
    return measured


def runs(measured):
    lines = [f"{'':20} {'s/step':>8} {'tokens/s':>9} {'MFU':>6} {'of work':>8} {'padding':>8} {'peak GB':>8} {'hours':>7} {'by tokens':>9}"]
    for name, run in measured.items():
        hours = math.ceil(SAMPLES / BATCH) * EPOCHS * run["step"] / 3600
        by_tokens = SAMPLES * EPOCHS * MEAN_TOKENS / run["tokens"] / 3600
        busy, padding = (f"{run[key]:.1%}" if key in run else "" for key in ("busy", "padding"))
        peak = f"{run['peak'] / 1e9:.1f}" if run["peak"] else "-"
        lines.append(
            f"{RUNS[name]:20} {run['step']:8.3f} {run['tokens']:9.0f} {run['mfu']:6.1%} {busy:>8} {padding:>8} {peak:>8}"
            f" {hours:7.2f} {by_tokens:9.2f}")
    lines.append("MFU: of what the step needs (real tokens, nothing twice). of work: of what the peer computes. hours: the published job")
    lines.append(f"({SAMPLES:,} samples, {EPOCHS} epochs) at these seconds a step, and at these tokens a second with {MEAN_TOKENS} tokens a sample.")
    return lines


def comparisons(measured):
    lines = []
    for mine, its in (("ours", "peer"), ("recompute", "peer"), ("lora", "lora_peer")):
        if mine in measured and its in measured:
            lines.append(f"{RUNS[mine]} beside {RUNS[its]}: {measured[its]['step'] / measured[mine]['step']:.2f} times as fast")
    if "ours" in measured:
        for name in {"recompute", "peer"} & measured.keys():
            pairs = zip(measured["ours"]["losses"], measured[name]["losses"], strict=True)
            lines.append(f"losses of {RUNS['ours']} and {RUNS[name]}: at most {max(abs(a - b) for a, b in pairs):.1e} apart")
    return lines


def line_through(found):
    steps = counted(found)
    lines = [f"{step['tokens']:7} tokens {step['seconds']:.3f} s" for step in steps]
    count, x, y = len(steps), sum(s["tokens"] for s in steps), sum(s["seconds"] for s in steps)
    xx, xy = sum(s["tokens"] ** 2 for s in steps), sum(s["tokens"] * s["seconds"] for s in steps)
    slope = (count * xy - x * y) / (count * xx - x * x)
    return [*lines, f"a step takes {(y - slope * x) / count * 1e3:.0f} ms and {slope * 1e6:.1f} us for each token"]


def memory(results, shape):
    lines = []
    for name, table in (("ours", 153.7e3), ("recompute", 8.2e3)):
        found = results.get(name, {})
        if found.get("peak"):
            tokens = max(step["tokens"] for step in found["steps"])
            above = (found["peak"] - FIXED_BYTES * shape.parameters) / tokens
            lines.append(f"{RUNS[name]}: {above / 1e6:.2f} MB a token above weights, copies and moments (activations alone, by "
                         f"the plan: {table * shape.layers / 1e6:.2f}); {tokens} tokens")
        if found.get("worker_environment"):
            lines.append(f"{RUNS[name]}: the worker's environment: {json.dumps(found['worker_environment'])}")
        lines += [f"{RUNS[name]}: {words}" for words in found.get("words", [])]
    return lines


def products(found):
    limit = found["linear_maps"] + found["head_products"]
    seconds = ", ".join(f"{name.replace('_', ' ')} {found[name]:.3f}" for name in (
        "linear_maps", "attention", "head", "optimizer", "vision_tower"))
    return [
        f"parts of a step of {found['tokens']} tokens alone in PyTorch (s): {seconds}",
        f"products of these sizes: {found['products_flops'] / limit / 1e12:.1f} TFLOP/s, {found['products_flops'] / limit / PEAK:.1%} of the peak",
    ]
