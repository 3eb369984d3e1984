"""select.diverse alone: what a selection takes, how that grows, and what others take for parts of it on the same vectors.

The peers (select_peers/) are the published program's way of one pick, made again from its description, and the exact search of
faiss for the neighbours that a pick needs.
"""

import json
import os
import pathlib
import subprocess

import torch_env

PEERS = pathlib.Path(__file__).resolve().parent / "select_peers"

ROWS, DIM, PICKS = 158_000, 1536, 25_000
THREADS = os.cpu_count()


def select(bench):
    vectors = bench.folder("select") / "vectors.f32"

    def ours(shape, rows, dim, count, *file):
        said = json.loads(bench.in_rust_says("select", shape, rows, dim, count, *file, RAYON_NUM_THREADS=THREADS))
        bench.say(f"select: {shape} {rows} x {dim}, {count} picks: {said['seconds']:.2f} s")
        return said

    whole = ours("pairs", ROWS, DIM, PICKS, vectors)
    python = torch_env.TorchEnvironment(bench.work, THREADS)
    python.install_faiss()

    def peer(name):
        command = [python.python, PEERS / f"{name}.py", vectors, str(DIM)]
        environment = os.environ | python.strings()
        return json.loads(subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE).stdout)

    theirs = {name: peer(name) for name in ("published", "search")}

    seconds, each = whole["seconds"], theirs["published"]["seconds_a_pick"]
    bench.note("select, 158,000 x 1536, 25,000 picks (s; target: below 60)", seconds)
    bench.note("select: the published way, a pick (s)", each)
    bench.note("select: the published way, all picks by that (h)", each * PICKS / 3600)
    bench.note("select: times as fast as that (target: at least 100)", each * PICKS / seconds)
    rate = theirs["search"]["gflops"]
    bench.note("select: matrix products of these sizes in PyTorch (GFLOP/s)", rate)
    bench.note("select: all similarities as such products alone would take (s)", 2e-9 * ROWS * DIM * PICKS / rate)
    bench.note("select: of which we take (%)", 100 * seconds / (2e-9 * ROWS * DIM * PICKS / rate))
    bench.note("select: faiss, exact 64 nearest of as many queries (s, by 2,000 of them)", theirs["search"]["seconds_a_query"] * PICKS)
    for rows in (ROWS // 4, ROWS // 2, ROWS):
        bench.note(f"select: {rows} rows, 5,000 picks (s)", ours("pairs", rows, DIM, 5_000)["seconds"])
    for count in (PICKS // 4, PICKS // 2):
        said = ours("pairs", ROWS, DIM, count)
        bench.note(f"select: {ROWS} rows, {count} picks (s)", said["seconds"])
    bench.note("select: peak memory beside the vectors' 971 MB (MB)", said["peak_mb"] - said["vectors_mb"])
    bench.note("select: 20,000 rows without any structure, 2,000 picks (s)", ours("noise", 20_000, DIM, 2_000)["seconds"])
    large = ours("pairs", 1_000_000, 512, 50_000)
    bench.note("select, 1,000,000 x 512, 50,000 picks (s)", large["seconds"])
    bench.note("select, 1,000,000 x 512: peak memory with the vectors' 2,048 MB (MB)", large["peak_mb"])
