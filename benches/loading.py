"""load.llava: 158,000 records from JSON into Arrow, alone and with all that a node's result needs (keys, digests, the cache on the disk).

Beside it, on the same file: Python's json, orjson and polars, which read it into memory, and Hugging Face datasets with the
cache that it writes (and does not flush).
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import data
from measure import Measured, run_with_peak

READ = pathlib.Path(__file__).resolve().parent / "load_peers" / "read.py"
VERSIONS = {"datasets": "5.2.0", "orjson": "3.13.0", "polars": "2.1.0"}
TURNS = 5

PIPELINE = """version: 1
nodes:
  rows: { kind: load.llava, annotations: annotations.json }
"""


def load(bench):
    folder = bench.folder("load")
    file = folder / "annotations.json"
    data.annotations(file, images=False)
    size = file.stat().st_size / 1e6
    (folder / "p.yaml").write_text(PIPELINE)
    python = installed(bench.work / "load-peers")
    said = {}

    def note(name, seconds, peak):
        said.setdefault(name, []).append((seconds, peak))

    # In turns, so that what else the machine does hits all of them.
    for _ in range(TURNS):
        told = json.loads(bench.in_rust_says("load", file))
        note("parse", told["seconds"], told["peak_mb"])
        for peer in ("json", "orjson", "polars", "datasets"):
            cache = folder / "datasets"
            shutil.rmtree(cache, ignore_errors=True)
            environment = os.environ | {"HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
            done = subprocess.run(
                [python, READ, peer, file, cache], check=True, env=environment, text=True, stdout=subprocess.PIPE
            )
            told = json.loads(done.stdout)
            assert told["rows"] == data.ROWS
            note(peer, told["seconds"], told["peak_mb"])
        shutil.rmtree(folder / "datasets", ignore_errors=True)
        shutil.rmtree(folder / ".trommel", ignore_errors=True)
        os.sync()
        seconds, peak, _ = run_with_peak([bench.trommel, "run", "p.yaml", "--to", "rows"], folder)
        note("node", seconds, peak)

    times = {name: Measured([seconds for seconds, _ in turns], None) for name, turns in said.items()}
    for peer in ("json", "orjson", "polars"):
        target = 3 if peer == "json" else None
        bench.add(f"load.llava, {size:.0f} MB into Arrow", times["parse"], peer, times[peer], target_ratio=target)
    bench.add("load.llava, the node with its cache", times["node"], "datasets", times["datasets"], target_ratio=5)
    for name, turns in said.items():
        bench.note(f"load: peak memory of {name} (times the file)", max(peak for _, peak in turns) / size)


def installed(folder):
    """A Python with the peers."""
    python = folder / "bin" / "python"
    wanted = [f"{name}=={version}" for name, version in VERSIONS.items()]
    note = folder / "installed"
    if not note.exists() or note.read_text() != str(wanted):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *wanted], check=True)
        note.write_text(str(wanted))
    return python
