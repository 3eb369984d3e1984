"""Small changes to 158,000 rows: which rows run again, as the event log tells, and how long the run takes."""

import json
import shutil

import data
from measure import Measured, output_of

PIPELINE = """version: 1
nodes:
  instructions: {{ kind: load.llava, annotations: annotations.json, images: images }}
  clip: {{ kind: embed.clip, input: instructions, model: {model}, device: cpu }}
  all: {{ kind: select.where, input: instructions, expression: unique_idx >= 0 }}
"""


def changes(bench, clip_model):
    whole = bench.folder("warm-images")
    data.annotations(whole / "annotations.json", images=True)
    data.images(whole / "images")
    folder = bench.folder("changes", anew=True)
    (folder / "images").symlink_to(whole / "images")
    (folder / "p.yaml").write_text(PIPELINE.format(model=json.dumps(str(clip_model))))
    records = json.loads((whole / "annotations.json").read_text())
    command = [bench.trommel, "run", "p.yaml", "--to", "clip", "--to", "all", "--json"]

    def step(name, rows, *arguments):
        """Runs; `clip` must have computed so many rows."""
        (folder / "annotations.json").write_text(json.dumps(records))
        seconds, log = output_of(command + list(arguments), folder)
        done = {e["node"]: e for e in map(json.loads, log.splitlines()) if e["event"] in ("node_done", "node_cached")}
        ran = done["clip"].get("computed", 0) if done["clip"]["event"] == "node_done" else 0
        if ran != rows:
            raise SystemExit(f"bench: {name}: {ran} rows ran, not {rows}:\n{log[-4000:]}")
        bench.add(f"158k rows, {name}: {ran} rows embedded", Measured([seconds], 0))

    step("first run", len(records))
    records[70_000]["conversations"][1]["value"] += " Really."
    step("one record edited", 1)
    records[:0] = [
        {**record, "conversations": [{"from": "human", "value": f"What is new in {number}?"}, *record["conversations"][1:]]}
        for number, record in enumerate(records[:1000])
    ]
    step("1,000 inserted at the top", 1000)
    records[:] = [dict(reversed(record.items())) for record in records]
    step("keys of all records in another order", 0)
    step("upstream forced, equal bytes", 0, "--force", "instructions")
    del records[100_000]
    step("one record removed", 0)
    records.reverse()
    step("all rows in another order", 0)
    shutil.rmtree(folder)
