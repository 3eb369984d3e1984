"""`make bench`: runs the benchmarks, prints one table, writes results.json.

    python3 benches/run.py TROMMEL WORK [CASE ..]        (of `extract` also a part: extract:vit-b-32, extract:pixels ..)

TROMMEL is the release build of the program, with the programs of trommel-benches beside it; WORK is a folder for data, peers and results that may be deleted.
Everything that is compared runs in the same go on the same machine.
"""

import functools
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import changes
import extract
import loading
import other_selections
import overhead
import peers
import plans
import selection
import torch_env
import training
import warm
from measure import text_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
CLIP = ROOT / "examples/quickstart/models/clip"
CASES = {
    "warm": lambda bench: warm.warm(bench),
    "images": lambda bench: warm.warm(bench, CLIP),
    "changes": lambda bench: changes.changes(bench, CLIP),
    "plans": plans.plans,
    "overhead": overhead.overhead,
    "planning": lambda bench: bench.in_rust("planning"),
    "store": lambda bench: bench.in_rust("store"),
    "load": loading.load,
    "select": selection.select,
    "selectors": other_selections.selectors,
    "extract": extract.extract,
    "train": training.train,
}


class Bench:
    """Where cases find what they need and leave what they found."""

    def __init__(self, trommel, work):
        self.trommel, self.work = str(trommel), work
        self.rows, self.notes, self.texts = [], {}, {}

    @functools.cached_property
    def peers(self):
        return peers.Peers(self.work)

    def folder(self, name, anew=False):
        folder = self.work / "cases" / name
        if anew:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def add(self, case, ours, peer=None, theirs=None, target=None, target_ratio=None):
        """A line of the table. Of one that did not finish, the limit stands in the ratio."""
        ratio, met = None, None
        if theirs and ours.median:
            ratio = (theirs.median or theirs.limit) / ours.median
        if target and ours.median:
            met = ours.median < target
        if target_ratio and ratio:
            met = ratio >= target_ratio
        self.rows.append({
            "case": case, "seconds": ours.median, "runs": ours.seconds, "peer": peer,
            "peer_seconds": theirs and theirs.median, "peer_runs": theirs and theirs.seconds,
            "peer_finished": theirs and theirs.median is not None, "ratio": ratio,
            "target_seconds": target, "target_ratio": target_ratio, "met": met,
        })
        self.say(f"{case}: {ours}" + (f"; {peer}: {theirs}" if peer else ""))

    def note(self, name, value):
        self.notes[name] = value
        self.say(f"{name}: {value:.2f}")

    def in_rust(self, name):
        """A benchmark in Rust, which compares within one process and prints a table of its own."""
        self.texts[name] = self.in_rust_says(name)

    def in_rust_says(self, name, *arguments, **environment):
        program = pathlib.Path(self.trommel).parent / f"bench_{name}"
        libtorch = pathlib.Path(os.environ.get("LIBTORCH", ROOT / ".libtorch")) / "lib"
        added = {"LD_LIBRARY_PATH": libtorch} | environment
        environment = os.environ | {key: str(value) for key, value in added.items()}
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, env=environment)
        if done.returncode != 0:
            raise SystemExit(f"bench: {name} failed")
        return done.stdout

    def table(self):
        lines = [("case", "trommel", "peer", "its time", "ratio", "target", "met")]
        for row in self.rows:
            finished = row["peer_finished"]
            theirs = "" if finished is None else text_of(row["peer_seconds"]) if finished else "not finished"
            ratio = "" if row["ratio"] is None else ("" if finished else "> ") + f"{row['ratio']:.1f}"
            target = f"< {text_of(row['target_seconds'])}" if row["target_seconds"] else ""
            target += f">= {row['target_ratio']} x" if row["target_ratio"] else ""
            ours = text_of(row["seconds"]) if row["seconds"] else "not finished"
            met = {None: "", True: "yes", False: "NO"}[row["met"]]
            lines.append((row["case"], ours, row["peer"] or "", theirs, ratio, target, met))
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
        text += [f"{name}: {value:.2f}" for name, value in self.notes.items()]
        return "\n".join(text + [f"\n{name}\n{said}" for name, said in self.texts.items()])


def main():
    trommel, work = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(trommel, work)
    for name in sys.argv[3:] or CASES:
        case, *parts = name.split(":")
        CASES[case](bench, *parts)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = {
        "processors": os.cpu_count(), "memory_gib": round(memory, 1),
        "system": platform.system(), "python": platform.python_version(),
        "peers": peers.VERSIONS | torch_env.VERSIONS | loading.VERSIONS,
    }
    results = {"machine": machine, "rows": bench.rows, "notes": bench.notes, "texts": bench.texts}
    (work / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(bench.table())


if __name__ == "__main__":
    main()
