"""Tables and results.json of what run.py gathered: python report.py WORK"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from ranks import among, effective, first_step, linear, partial, spearman
from run import DEFAULT, EXPLORED, REPORTED, name_of

QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
KINDS = ["trivial", "normal", "hard", "wrong"]
SETTINGS = ["clip", "scores"]
WAYS = ["diverse", "top"]
# What is called a sample's loss: which model measures it, and whether per token or summed over the answer.
GIVEN_LENGTH = "held_out mean, given tokens"
GIVEN = ["minus-clip-score", "minus-image-reward", "minus-judge", "tokens"]
MEASURES = ["held_out mean", "held_out sum", "trained_on mean", "trained_on sum", "before mean", "before sum"]


class Results:
    """Everything by sample, in the order of the samples with a picture."""

    def __init__(self, work):
        self.work = work
        records = json.loads((QUICKSTART / "data" / "annotations.json").read_text())
        self.places = [i for i, record in enumerate(records) if "image" in record]
        self.kinds = np.array([records[i]["kind"] for i in self.places])
        self.clusters = np.array([records[i]["cluster"] for i in self.places])
        self.by_id = {records[i]["id"]: place for place, i in enumerate(self.places)}
        runs = {path.stem: json.loads(path.read_text()) for path in sorted((work / "losses").glob("*.json"))}
        self.tokens = np.array(next(iter(runs.values()))["tokens"], float)
        self.losses = {name: self.measures(run) for name, run in runs.items()}

    def measures(self, run):
        sums = {name: np.array(values) for name, values in run["sums"].items()}
        summed = {f"{name} sum": values for name, values in sums.items()}
        return summed | {f"{name} mean": values / self.tokens for name, values in sums.items()}

    def reported(self, measure):
        """One array for each seed of the unweighted runs that count."""
        return [self.losses[name_of(seed, *DEFAULT)][measure] for seed in REPORTED]

    def column(self, path, name):
        with open(path) as file:
            rows = {int(row["unique_idx"]): row[name] for row in csv.DictReader(file)}
        return np.array([float(rows[i]) for i in self.places])

    def learned(self, setting, folder=".", point=""):
        """Difficulties by seed, of the reported runs, or of a folder of others (and a point of the grid)."""
        paths = (self.work / "learned" / folder).glob(f"difficulty_{setting}_*{point}.csv")
        return [self.column(path, "difficulty") for path in sorted(paths)]

    def given(self, name):
        numbers = json.loads((self.work / "learned" / f"{name}.json").read_text())
        return np.array([float(numbers[str(i)]) for i in self.places])

    def features(self):
        vectors = [json.loads(line) for line in (self.work / "learned" / "clip.jsonl").read_text().splitlines()]
        by_place = {row["unique_idx"]: row["clip"] for row in vectors}
        scores = np.stack([self.given(f"minus-{name}") for name in ("clip-score", "image-reward", "judge")], 1)
        low, high = scores.min(0), scores.max(0)
        return {"clip": np.array([by_place[i] for i in self.places]), "scores": (scores - low) / (high - low) * 2 - 1}

    def shares(self, pattern):
        """Of each kind, the share picked in each of the selections so named: arrays by kind; and clusters picked from."""
        shares, clusters = {kind: [] for kind in KINDS}, []
        for path in sorted((self.work / "learned").glob(pattern)):
            if path.name.endswith(".lock.json"):
                continue
            picked = np.zeros(len(self.places), bool)
            picked[[self.by_id[record["id"]] for record in json.loads(path.read_text())]] = True
            for kind in KINDS:
                shares[kind].append(float(picked[self.kinds == kind].mean()))
            clusters.append(len(set(self.clusters[picked])))
        return shares | {"clusters": clusters}


def against(difficulties, targets, given=None):
    """For each difficulty its mean correlation with the targets (one for each seed)."""
    correlation = spearman if given is None else lambda a, b: partial(a, b, given)
    return [float(np.mean([correlation(difficulty, target) for target in targets])) for difficulty in difficulties]


def spread(values, form="{:.2f}"):
    """Mean and standard deviation, as text."""
    if not values:
        return ""
    text = form.format(np.mean(values))
    return text if len(values) < 2 else f"{text} ± {form.format(np.std(values, ddof=1))}"


def table(head, rows):
    return "\n".join(["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]])


def agreement(results, said):
    """Rows: what a difficulty is made of. Columns: what a loss is."""
    candidates = {f"learned, {setting}": results.learned(setting) for setting in SETTINGS}
    candidates |= {f"learned, {setting}, 6 epochs": results.learned(setting, "longer") for setting in SETTINGS}
    candidates |= {name: [results.given(name)] for name in GIVEN}
    features = results.features()
    for setting in SETTINGS:
        losses = np.mean(results.reported("held_out sum"), 0)
        candidates[f"first step, {setting}"] = [first_step(features[setting], losses)]
    found = {}
    for name, values in candidates.items():
        found[name] = {measure: against(values, results.reported(measure)) for measure in MEASURES}
        if name != "tokens":
            found[name]["tokens"] = against(values, [results.tokens])
            found[name][GIVEN_LENGTH] = against(values, results.reported("held_out mean"), given=results.tokens)
    for setting in SETTINGS:
        for place, name in enumerate(("on the same samples", "on others")):
            found[f"linear fit, {setting}, {name}"] = {
                measure: [linear(features[setting], target, results.clusters)[place] for target in results.reported(measure)]
                for measure in MEASURES
            }
    found["another unweighted run"] = {measure: [among(results.reported(measure))] for measure in MEASURES[:4]}
    said["agreement"] = found
    said["difficulties among seeds"] = among_seeds = {
        f"{setting}, {folder}": among(results.learned(setting, folder)) for setting in SETTINGS for folder in (".", "longer")
    }
    said["learned beside first step"] = beside = {
        setting: against(results.learned(setting), candidates[f"first step, {setting}"]) for setting in SETTINGS
    }
    head = ["difficulty", *MEASURES, "tokens", GIVEN_LENGTH]
    rows = [[name, *(spread(cells[c]) if c in cells else "" for c in head[1:])] for name, cells in found.items()]
    notes = [f"difficulties of two seeds, {name}: {value:.3f}" for name, value in among_seeds.items()]
    notes += [f"learned beside first step, {name}: {spread(value, '{:.3f}')}" for name, value in beside.items()]
    return "\n".join([table(head, rows), *notes])


def by_chance(count, of_kind, all_of):
    """Mean and deviation of the share of a kind, in %, when `count` are drawn from all."""
    share = of_kind / all_of
    deviation = np.sqrt(count * share * (1 - share) * (all_of - count) / (all_of - 1)) / of_kind
    return f"{100 * count / all_of:.1f} ± {100 * deviation:.1f}"


def picks(results, said):
    names = {name: f"{name}_*" for name in [*SETTINGS, "oracle-mean", "oracle-sum"]}
    names |= {name: name for name in GIVEN}
    found = {f"{name}, {way}": results.shares(f"{way}_{files}.json") for name, files in names.items() for way in WAYS}
    found |= {f"{s}, 6 epochs, {way}": results.shares(f"longer/{way}_{s}_*.json") for s in SETTINGS for way in WAYS}
    said["picks"] = found
    rows = [["random (expected)", *(by_chance(57, np.sum(results.kinds == kind), len(results.places)) for kind in KINDS), ""]]
    for name, shares in found.items():
        cells = [spread([100 * share for share in shares[kind]], "{:.1f}") for kind in KINDS]
        rows.append([name, *cells, spread(shares["clusters"], "{:.0f}")])
    return table(["picked by", *KINDS, "clusters"], rows)


def by_kind(results, said):
    columns = {measure: np.mean(results.reported(measure), 0) for measure in MEASURES} | {"tokens": results.tokens}
    of = {kind: results.kinds == kind for kind in KINDS} | {"all": results.kinds != ""}
    found = {kind: {name: float(v[there].mean()) for name, v in columns.items()} for kind, there in of.items()}
    said["by kind"] = found
    text = table(["kind", *columns], [[kind, *(f"{v:.2f}" for v in cells.values())] for kind, cells in found.items()])
    for model in ("held_out", "trained_on", "before"):
        said[f"{model} loss per token"] = loss = float(columns[f"{model} sum"].sum() / results.tokens.sum())
        text += f"\nall tokens alike, {model}: {loss:.3f}"
    return text


def nets(results, said):
    """How far the score nets went: spread of their outputs, samples of a batch of 16 that count, weights."""
    found = {}
    for setting in SETTINGS:
        for folder, name in ((".", setting), ("longer", f"{setting}, 6 epochs")):
            paths = sorted((results.work / "learned" / folder).glob(f"score_net_{setting}_*.csv"))
            rows = [list(csv.DictReader(path.read_text().splitlines())) for path in paths]
            weights = [[float(row["weight"]) for row in net] for net in rows]
            difficulties = results.learned(setting, folder)
            found[name] = {
                "deviation of outputs": [float(d.std()) for d in difficulties],
                "samples that count of 16": [effective(-d) for d in difficulties],
                "weights' root mean square": [float(np.sqrt(np.mean(np.square(w)))) for w in weights],
            }
            if setting == "scores":
                names = [row["feature"] for row in rows[0]]
                found[name] |= {f"weight of {feature}": [w[place] for w in weights] for place, feature in enumerate(names)}
    said["score nets"] = found
    rows = [[f"{name}: {what}", spread(values, "{:.3f}")] for name, cells in found.items() for what, values in cells.items()]
    return table(["", "value"], rows)


def grid(results, said):
    """Correlations with the losses of a run tuned as the quickstart is, and (own) of one tuned as the row says."""
    said["grid"] = []
    usual = results.losses[name_of(EXPLORED, *DEFAULT)]
    points = {tuple(path.stem.split("_")[3:]) for path in (results.work / "learned" / "grid").glob("difficulty_clip_*.csv")}
    for rate, epochs in sorted(points, key=lambda point: (float(point[0]), int(point[1]))):
        own = results.losses.get(name_of(EXPLORED, rate, epochs))
        line = {"learning rate": rate, "epochs": epochs}
        line["held-out loss"] = [float(own["held_out sum"].sum() / results.tokens.sum())] if own else []
        for setting in SETTINGS:
            difficulties = results.learned(setting, "grid", f"_{rate}_{epochs}")
            for measure in ("held_out mean", "held_out sum"):
                line[f"{setting}: {measure}"] = against(difficulties, [usual[measure]])
                line[f"{setting}: {measure}, own"] = against(difficulties, [own[measure]]) if own else []
            line[f"{setting}: two seeds"] = [among(difficulties)]
            line[f"{setting}: 16 count"] = [effective(-difficulty) for difficulty in difficulties]
            for way in WAYS:
                shares = results.shares(f"grid/{way}_{setting}_*_{rate}_{epochs}.json")
                line |= {f"{setting}: {kind}, {way}, %": [100 * share for share in shares[kind]] for kind in ("hard", "wrong")}
        said["grid"].append(line)
    rows = [[value if isinstance(value, str) else spread(value) for value in line.values()] for line in said["grid"]]
    return table(list(said["grid"][0]), rows)


def main():
    work = Path(sys.argv[1])
    results = Results(work)
    said = {"replay": json.loads((work / "replay.json").read_text())}
    text = f"replay: {said['replay']['steps']} steps, losses at most {said['replay']['apart']:.1e} apart\n"
    for part in (agreement, picks, by_kind, nets, grid):
        text += f"\n{part.__name__}\n{part(results, said)}\n"
    (work / "tables.txt").write_text(text)
    (work / "results.json").write_text(json.dumps(said, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
