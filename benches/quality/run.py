"""Does the learned difficulty agree with measured losses? The whole study on the quickstart's data, for docs/method.md.

    python3 benches/quality/run.py TROMMEL WORK [--jobs N]

TROMMEL is the release build of the program, WORK a folder for PyTorch (from PyPI, 2 GB), runs and results that may be deleted.
What lies there is not computed again. Prints the tables, writes tables.txt and results.json. It takes about 25 minutes of
processor time.

Seeds of the weighted runs (learned.yaml) and of the unweighted ones (REPORTED) differ; choices were made with others again
(grid.yaml, EXPLORED).
"""

import argparse
import concurrent.futures
import csv
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
QUICKSTART = HERE.parent.parent / "examples" / "quickstart"
sys.path.insert(0, str(HERE.parent))
from torch_env import TOKENIZER, TorchEnvironment  # noqa: E402

REPORTED = [101, 102, 103, 104, 105]
EXPLORED = 51
DEFAULT = (0.002, 3)  # learning rate and epochs of the quickstart
OTHERS = [(0.0005, 3), (0.008, 3), (0.002, 1), (0.002, 6)]


class Study:
    def __init__(self, trommel, work, jobs):
        self.trommel, self.work, self.jobs = trommel, work, jobs
        self.learned, self.losses = work / "learned", work / "losses"
        for folder in (self.learned, self.losses):
            folder.mkdir(parents=True, exist_ok=True)
        self.torch = TorchEnvironment(work, threads=1)
        install_sentencepiece(self.torch)
        records = json.loads((QUICKSTART / "data" / "annotations.json").read_text())
        self.pictured = [place for place, record in enumerate(records) if "image" in record]
        self.count = len(records)

    def python(self, script, *arguments):
        command = [str(self.torch.python), str(HERE / script), *map(str, arguments)]
        done = subprocess.run(command, env=os.environ | self.torch.strings())
        if done.returncode != 0:
            raise SystemExit(f"quality: {script} failed")

    def run(self, file, **parameters):
        settings = [f"--set={name}={value}" for name, value in (parameters | {"out": self.learned}).items()]
        environment = os.environ | {"TROMMEL_THREADS": "1", "OMP_NUM_THREADS": "1"}
        command = [self.trommel, "run", HERE / file, "--cache", self.work / "cache", "--device", "cpu", *settings]
        done = subprocess.run(command, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        if done.returncode != 0:
            raise SystemExit(f"quality: {file} failed:\n{done.stderr[-4000:]}")
        print(f"{file} {parameters or ''}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr, flush=True)

    def measure(self):
        """Losses of unweighted models: several seeds as the quickstart tunes, and one for some points of the grid."""
        wanted = [(seed, *DEFAULT) for seed in REPORTED]
        wanted += [(EXPLORED, *point) for point in [DEFAULT, *OTHERS]]
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda run: self.measure_one(*run), wanted))

    def measure_one(self, seed, rate, epochs):
        out = self.losses / f"{name_of(seed, rate, epochs)}.json"
        if not out.exists():
            part = out.with_suffix(".part")
            self.python("losses.py", part, "--seed", seed, "--learning-rate", rate, "--epochs", epochs)
            part.rename(out)
            print(f"measured {out.stem}", file=sys.stderr, flush=True)

    def replay(self):
        """The same unweighted run by the program: both must be the same tuning, else nothing can be compared."""
        run = json.loads((self.losses / f"{name_of(REPORTED[0], *DEFAULT)}.json").read_text())
        (self.learned / "order.json").write_text(json.dumps(run["batches"]))
        self.given("ones", dict.fromkeys(self.pictured, 1))
        self.run("replay.yaml")
        with open(self.learned / "log.csv") as file:
            ours = [float(row["loss"]) for row in csv.DictReader(file)]
        assert len(ours) == len(run["log"])
        apart = max(abs(a - b) for a, b in zip(ours, run["log"]))
        (self.work / "replay.json").write_text(json.dumps({"steps": len(ours), "apart": apart}))
        if apart > 1e-3:
            raise SystemExit(f"quality: the program and PyTorch tune differently: a step's loss is {apart:.1e} apart")

    def given(self, name, values):
        numbers = {str(place): values.get(place) for place in range(self.count)}
        (self.learned / f"{name}.json").write_text(json.dumps(numbers))

    def pick_by_numbers(self):
        """Selections by what was not learned: the oracles' losses, and each feature alone."""
        names = []
        for seed in REPORTED:
            run = json.loads((self.losses / f"{name_of(seed, *DEFAULT)}.json").read_text())
            sums = run["sums"]["held_out"]
            means = [loss / tokens for loss, tokens in zip(sums, run["tokens"])]
            for name, values in (("oracle-mean", means), ("oracle-sum", sums)):
                names.append(f"{name}_{seed}")
                self.given(names[-1], dict(zip(run["unique_idx"], values)))
        with open(self.learned / "clip_score.csv") as file:
            scores = {"clip-score": {row["unique_idx"]: row["clip_score"] for row in csv.DictReader(file)}}
        for name, recorded in (("image-reward", "image_reward"), ("judge", "judge")):
            scores[name] = json.loads((QUICKSTART / "data" / "scores" / f"{recorded}.json").read_text())
        for name, values in scores.items():
            names.append(f"minus-{name}")
            self.given(names[-1], {place: -float(values[str(place)]) for place in self.pictured})
        self.given("tokens", dict(zip(run["unique_idx"], run["tokens"])))
        for name in [*names, "tokens"]:
            self.run("given.yaml", given=name)


def name_of(seed, rate, epochs):
    """Of an unweighted run."""
    return f"{seed}_{rate}_{epochs}"


def install_sentencepiece(torch):
    """What LLaMA's tokenizer is read with."""
    if not list(torch.site().glob("sentencepiece-*")):
        torch.pip(f"sentencepiece=={TOKENIZER['sentencepiece']}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("trommel", type=pathlib.Path)
    arguments.add_argument("work", type=pathlib.Path)
    arguments.add_argument("--jobs", type=int, default=1, help="runs in PyTorch at a time, one thread each")
    options = arguments.parse_args()
    study = Study(options.trommel.resolve(), options.work.resolve(), options.jobs)
    study.run("learned.yaml")
    study.run("grid.yaml")
    study.run("longer.yaml")
    study.measure()
    study.replay()
    study.pick_by_numbers()
    study.python("report.py", study.work)


if __name__ == "__main__":
    main()
