"""What a node costs beside its work: a chain and a fan of 1,000 nodes on a table of three rows, run and cached."""

import os
import shutil
import time

from measure import Measured, measured, run

NODES = 1_000


def pipeline(shape, nodes):
    lines = ["version: 1", "nodes:", "  rows: { kind: load.jsonl, path: rows.jsonl }"]
    for number in range(nodes):
        reads = f"node_{number - 1}" if shape == "chain" and number > 0 else "rows"
        lines.append(f"  node_{number}: {{ kind: select.random, input: {reads}, count: 3, seed: {number} }}")
    return "\n".join(lines) + "\n"


def overhead(bench):
    for shape in ("chain", "fan"):
        folder = bench.folder(f"overhead-{shape}")
        (folder / "rows.jsonl").write_text("".join(f'{{"score": {row}}}\n' for row in range(3)))
        (folder / "p.yaml").write_text(pipeline(shape, NODES))
        wanted = [NODES - 1] if shape == "chain" else range(NODES)
        command = [bench.trommel, "run", "p.yaml"] + [word for n in wanted for word in ("--to", f"node_{n}")]
        empty = measured([bench.trommel, "run", "p.yaml", "--to", "rows"], folder, 5)
        cold, fsyncs = [], []
        for _ in range(3):
            shutil.rmtree(folder / ".trommel", ignore_errors=True)
            run([bench.trommel, "run", "p.yaml", "--to", "rows"], folder)
            cold.append((run(command, folder) - empty.median) / NODES)
            fsyncs.append(published_again(folder / ".trommel", folder / "again") / NODES)
        warm = measured(command, folder, 5, "nothing to run")
        hit = Measured([(seconds - empty.median) / NODES for seconds in warm.seconds], warm.limit)
        bench.add(f"{shape} of 1,000 nodes, cached, a node", hit, target=200e-6)
        bench.add(f"{shape} of 1,000 nodes, run, a node", Measured(cold, 0), "its files, written and flushed", Measured(fsyncs, 0))


def published_again(cache, again):
    """Seconds to write the cache's files anew in the way of publishing: a temporary file, flushed, renamed."""
    contents = [(path.name, path.read_bytes()) for path in cache.rglob("*") if path.is_file()]
    again.mkdir(exist_ok=True)
    begun = time.perf_counter()
    for name, content in contents:
        file = os.open(again / ".temporary", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(file, content)
        os.fdatasync(file)
        os.close(file)
        os.rename(again / ".temporary", again / name)
    seconds = time.perf_counter() - begun
    shutil.rmtree(again)
    return seconds
