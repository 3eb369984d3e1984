"""One list of stages, written as a pipeline of each program. The peers' stages copy a file: what is measured is who
finds out, and how fast, that nothing is to be done."""

import json

SELECT = [
    # name, configuration, files of the stages that it reads
    ("long", "kind: select.where, input: instructions, expression: LENGTH(text) > 900", ["instructions"]),
    ("best", "kind: select.top, input: instructions, score: reward.reward, count: 25000", ["instructions", "reward"]),
    ("some", "kind: select.random, input: long, count: 25000", ["long"]),
    ("hard", "kind: select.diverse, input: instructions, score: judge.judge, vectors: clip.clip, count: 50",
     ["instructions", "judge", "clip"]),
    ("few", "kind: select.top, input: some, score: some.unique_idx, count: 5000", ["some"]),
]


class Stage:
    def __init__(self, name, configuration, reads, files):
        self.name, self.configuration = name, configuration
        self.reads, self.files = reads, files

    @property
    def out(self):
        return f"{self.name}.stage"

    @property
    def inputs(self):
        return self.files + [f"{name}.stage" for name in self.reads]

    @property
    def command(self):
        return f"cp {self.inputs[0]} {self.out}"


def stages(clip_model=None):
    """Ten stages. With a model, images are embedded; without, vectors are loaded and there are no images."""
    load = "kind: load.llava, annotations: annotations.json, images: images"
    made = [Stage("instructions", load, [], ["annotations.json"] + (["images"] if clip_model else []))]
    for name in ("score", "reward", "judge"):
        text = f"kind: load.scores, input: instructions, path: {name}.json, column: {name}"
        made.append(Stage(name, text, ["instructions"], [f"{name}.json"]))
    if clip_model:
        text = f"kind: embed.clip, input: instructions, model: {json.dumps(str(clip_model))}, device: cpu"
        made.append(Stage("clip", text, ["instructions"], ["images"]))
    else:
        text = "kind: load.vectors, input: instructions, path: vectors.npy, column: clip"
        made.append(Stage("clip", text, ["instructions"], ["vectors.npy"]))
    for name, text, reads in SELECT:
        made.append(Stage(name, text, reads, []))
    return made


ENDS = ("best", "hard", "few")


def trommel(made):
    lines = ["version: 1", "nodes:"] + [f"  {stage.name}: {{ {stage.configuration} }}" for stage in made]
    lines += ["outputs:"] + [f"  - {{ from: {name}, path: out/{name}.json, format: llava }}" for name in ENDS]
    return "\n".join(lines + ["  - { from: score, path: out/score.csv, format: csv }"]) + "\n"


def dvc(made):
    # JSON is YAML.
    commands = {
        stage.name: {"cmd": stage.command.replace("images ", "annotations.json "), "deps": stage.inputs, "outs": [stage.out]}
        for stage in made
    }
    return json.dumps({"stages": commands}, indent=1)


def snakemake(made, all_images):
    """Images are an input as a folder, of which only the time counts, or as the files in it."""
    read = "sorted(__import__('glob').glob('images/*.png'))"
    rules = [f"rule all:\n    input: {[stage.out for stage in made]}\n"]
    for stage in made:
        inputs = [file for file in stage.inputs if file != "images" or not all_images]
        files = f"{inputs} + {read}" if all_images and "images" in stage.inputs else inputs
        copy = stage.command.replace("images ", "annotations.json ")
        rules.append(f"rule {stage.name}:\n    input: {files}\n    output: '{stage.out}'\n    shell: '{copy}'\n")
    return "\n".join(rules)
