"""Planning pipelines of many nodes: a loader and chains of ten behind it. Nothing was run before."""

import json
import math

from measure import measured

SIZES = (1_000, 10_000, 100_000)
# The peers are given five minutes each.
PEERS_UP_TO = 10_000


def chains(nodes):
    """Names and what each reads."""
    for number in range(1, nodes):
        yield f"node_{number}", "rows" if number % 10 == 1 else f"node_{number - 1}"


def ends(nodes):
    return [f"node_{number}" for number in range(1, nodes) if number % 10 == 0 or number == nodes - 1]


def trommel(nodes):
    lines = ["version: 1", "nodes:", "  rows: { kind: load.jsonl, path: rows.jsonl }"]
    for number, (name, reads) in enumerate(chains(nodes)):
        lines.append(f"  {name}: {{ kind: select.random, input: {reads}, count: 3, seed: {number} }}")
    lines.append("outputs:")
    lines += [f"  - {{ from: {name}, path: out/{name}.csv, format: csv }}" for name in ends(nodes)]
    return "\n".join(lines) + "\n"


def dvc(nodes):
    made = {"rows": {"cmd": "cp rows.jsonl rows.out", "deps": ["rows.jsonl"], "outs": ["rows.out"]}}
    for name, reads in chains(nodes):
        made[name] = {"cmd": f"cp {reads}.out {name}.out", "deps": [f"{reads}.out"], "outs": [f"{name}.out"]}
    return json.dumps({"stages": made})


def snakemake(nodes):
    rules = [f"rule all:\n    input: {[f'{name}.out' for name in ends(nodes)]}"]
    for name, reads in [("rows", "rows.jsonl"), *((n, f"{r}.out") for n, r in chains(nodes))]:
        rules.append(f"rule {name}:\n    input: '{reads}'\n    output: '{name}.out'\n    shell: 'cp {reads} {name}.out'")
    return "\n".join(rules) + "\n"


def plans(bench):
    points = []
    for nodes in SIZES:
        folder = bench.folder(f"plan-{nodes}", anew=True)
        (folder / "rows.jsonl").write_text("".join(f'{{"score": {row}}}\n' for row in range(3)))
        (folder / "p.yaml").write_text(trommel(nodes))
        ours = measured([bench.trommel, "plan", "p.yaml"], folder, 3)
        case = f"plan {nodes:,} nodes"
        bench.add(case, ours, target={10_000: 1.0, 100_000: 10.0}.get(nodes))
        points.append((math.log(nodes), math.log(ours.median)) if ours.median else None)
        if nodes > PEERS_UP_TO:
            continue
        peers = bench.peers
        (folder / "Snakefile").write_text(snakemake(nodes))
        theirs = measured([peers.snakemake, "-n", "--quiet", "all"], folder, 2, **peers.environment)
        bench.add(case, ours, "snakemake -n", theirs)
        (folder / "dvc.yaml").write_text(dvc(nodes))
        peers.start_dvc(folder)
        # `dvc repro --dry` fails where the files between two stages were never made.
        theirs = measured([peers.dvc, "status"], folder, 2, **peers.environment)
        bench.add(case, ours, "dvc status", theirs)
    if all(points):
        bench.note("exponent of planning, 1k to 100k nodes", slope(points))


def slope(points):
    """Of time over nodes, both as logarithms: 1 is linear."""
    x, y = (sum(point[axis] for point in points) / len(points) for axis in (0, 1))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
