"""The selectors beside select.diverse, through the program, on the same vectors as their peers in numpy and faiss.

The time is that of the node, with reading its vectors and storing what it gives.
"""

import json
import os
import pathlib
import subprocess

import torch_env
from measure import Measured, output_of

PEERS = pathlib.Path(__file__).resolve().parent / "select_peers" / "others.py"
ROWS, DIM = 20_000, 1536
THREADS = os.cpu_count()
TURNS = 3

# `few`: of facility, which looks at all pairs.
PIPELINE = """version: 1
nodes:
  rows: { kind: load.jsonl, path: rows.jsonl }
  v: { kind: load.vectors, input: rows, path: vectors.npy, column: v }
  few: { kind: select.random, input: rows, count: 10000 }
  vfew: { kind: load.vectors, input: few, path: vectors.npy, column: v }
  dedup: { kind: select.dedup, input: rows, vectors: v.v, similarity: 0.9 }
  kcenter: { kind: select.kcenter, input: rows, vectors: v.v, count: 1000 }
  cluster: { kind: select.cluster, input: rows, vectors: v.v, clusters: 200, count: 3000, iterations: 20 }
  facility: { kind: select.facility, input: few, vectors: vfew.v, count: 500 }
"""


def selectors(bench):
    folder = bench.folder("selectors")
    (folder / "p.yaml").write_text(PIPELINE)
    python = torch_env.TorchEnvironment(bench.work, THREADS)
    python.install_faiss()
    environment = os.environ | python.strings()

    def peer(*arguments):
        command = [python.python, PEERS, *map(str, arguments)]
        return subprocess.run(command, check=True, env=environment, text=True, stdout=subprocess.PIPE).stdout

    def ours(node):
        _, said = output_of([bench.trommel, "run", "p.yaml", "--to", node, "--force", node, "--json"], folder)
        events = map(json.loads, said.splitlines())
        return next(e["seconds"] for e in events if e["event"] == "node_done" and e["node"] == node)

    peer("make", ROWS, DIM, folder)
    for node, theirs in [("dedup", "numpy"), ("kcenter", "numpy"), ("cluster", "faiss"), ("facility", "numpy")]:
        ours(node)  # its vectors are stored afterwards
        turns = [(ours(node), json.loads(peer(node, folder))["seconds"]) for _ in range(TURNS)]
        rows = 10_000 if node == "facility" else ROWS
        mine, others = (Measured(list(times), None) for times in zip(*turns))
        bench.add(f"select.{node}, {rows} x {DIM}", mine, theirs, others)
