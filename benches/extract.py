"""CLIP features and scores, and ImageReward, beside what people use: same weights (random, of real shape), same samples,
same number of threads, and the same numbers within 1e-4, else there is nothing to compare.

The samples are a folder with annotations.json (LLaVA form, every record with an image) and images/, named by
TROMMEL_BENCH_DATA; else made-up photographs. ViT-L/14 and ImageReward take the samples of as many images as
TROMMEL_BENCH_IMAGES says (24; `all`), since the published way needs seconds for each.
"""

import json
import os
import pathlib
import shutil

from measure import Measured, run_with_peak
from torch_env import TorchEnvironment

PEERS = pathlib.Path(__file__).resolve().parent / "extract_peers"
# The way of the peer, what it is called, and how many times its seconds ours are to be.
WAYS = [
    ("published", "HF, one sample at a time", 4),
    ("batched", "HF, batched", 2),
    ("once", "HF, batched, images once", 1.3),
]
CLOSE = 1e-4


class Extraction:
    def __init__(self, bench):
        self.bench = bench
        self.threads = os.cpu_count()
        self.torch = TorchEnvironment(bench.work, self.threads)
        self.data = self.samples()
        most = os.environ.get("TROMMEL_BENCH_IMAGES", "24")
        self.few = [] if most == "all" else [most]
        bench.say(f"extract: load average {os.getloadavg()[0]:.1f} before, {self.threads} threads each")

    def samples(self):
        given = os.environ.get("TROMMEL_BENCH_DATA")
        if given:
            return pathlib.Path(given).resolve()
        folder = self.bench.folder("extract-data")
        if not (folder / "annotations.json").exists():
            self.peer("make_data.py", folder)
        return folder

    def peer(self, script, *arguments):
        """Seconds, peak memory (MB) and the last line said, as JSON where it is."""
        command = [self.torch.python, PEERS / script, *arguments]
        folder = self.bench.folder("extract")
        seconds, peak, said = run_with_peak(command, folder, **self.torch.environment())
        last = (said.strip().splitlines() or ["null"])[-1]
        return seconds, peak, json.loads(last) if last.startswith("{") else None

    def clip_folder(self, shape):
        folder = self.bench.folder("extract-models") / shape
        if not (folder / "model.safetensors").exists():
            self.peer("make_clip.py", shape, folder)
        return folder

    def annotations(self, images):
        """The file of the samples of the first `images` different images, as the peers choose them."""
        if not images:
            return self.data / "annotations.json"
        wanted, chosen = set(), []
        for record in json.loads((self.data / "annotations.json").read_text()):
            if record["image"] in wanted or len(wanted) < int(images[0]):
                wanted.add(record["image"])
                chosen.append(record)
        path = self.bench.folder("extract") / f"annotations-{images[0]}.json"
        path.write_text(json.dumps(chosen))
        return path

    def ours(self, node, kind, model, images):
        """Seconds and peak memory of a run from nothing, and the values that it gives."""
        folder = self.bench.folder(f"extract-ours-{node}")
        shutil.rmtree(folder / ".trommel", ignore_errors=True)
        quoted = [json.dumps(str(path)) for path in (self.annotations(images), self.data / "images", model)]
        lines = [
            "version: 1", "nodes:",
            f"  rows: {{ kind: load.llava, annotations: {quoted[0]}, images: {quoted[1]} }}",
            f"  {node}: {{ kind: {kind}, input: rows, model: {quoted[2]}, device: cpu }}",
        ]
        (folder / "p.yaml").write_text("\n".join(lines) + "\n")
        environment = {"TROMMEL_THREADS": self.threads, "OMP_NUM_THREADS": self.threads}
        command = [self.bench.trommel, "run", "p.yaml", "--to", node]
        seconds, peak, _ = run_with_peak(command, folder, **environment)
        show = [self.bench.trommel, "show", "p.yaml", node, "--columns", node, "--format", "json"]
        rows = json.loads(run_with_peak(show, folder)[2])
        values = [row[node] if isinstance(row[node], list) else [row[node]] for row in rows]
        return seconds, peak, values

    def compare(self, case, ours, peer, theirs, out, target):
        seconds, [peak, *_], [values, *_] = zip(*ours)
        their_seconds, their_peak, said = theirs
        apart = self.difference(values, out)
        if not apart <= CLOSE:
            raise SystemExit(f"bench: {case}: {peer} gives other values, {apart:.1e} apart; {CLOSE} is allowed")
        self.bench.add(case, Measured(list(seconds), None), peer, once(their_seconds), target_ratio=target)
        self.bench.note(f"{case}: {peer}: apart at most (1e-6)", apart * 1e6)
        self.bench.note(f"{case}: {peer}: without loading (s)", said["compute"])
        self.bench.note(f"{case}: {peer}: peak memory (MB; ours {peak:.0f})", their_peak)

    def difference(self, values, out):
        """The largest; the peer's Python has NumPy, this one need not."""
        ours = self.bench.folder("extract") / "ours.json"
        ours.write_text(json.dumps(values))
        return self.peer("difference.py", ours, out)[2]["apart"]


def once(seconds):
    return Measured([seconds], None)


def extract(bench, *parts):
    extraction = Extraction(bench)
    for part in parts or PARTS:
        PARTS[part](extraction)


def clip(extraction, shape, name):
    bench, model = extraction.bench, extraction.clip_folder(shape)
    few = extraction.few if shape == "vit-l-14" else []
    for way, peer, target in WAYS:
        out = bench.folder("extract") / f"{shape}-{way}.npy"
        # Before and after each peer: the machine may be busier at another time.
        warm(model)
        before = extraction.ours("clip", "embed.clip", model, few)
        warm(model)
        theirs = extraction.peer("clip.py", way, model, extraction.data, out, *few)
        warm(model)
        after = extraction.ours("clip", "embed.clip", model, few)
        case = f"embed.clip, {name}, {len(after[2])} samples"
        extraction.compare(case, [before, after], peer, theirs, out, target)
    inputs = bench.folder("extract") / f"{shape}.safetensors"
    _, _, theirs = extraction.peer("clip_model.py", model, extraction.data, inputs, *few)
    threads = {"TROMMEL_THREADS": extraction.threads, "OMP_NUM_THREADS": extraction.threads}
    ours = json.loads(bench.in_rust_says("clip_model", model, inputs, **threads).splitlines()[-1])
    for part in ("images", "texts"):
        bench.add(f"model alone, {name}, {part}", once(ours[part]), "HF", once(theirs[part]), target_ratio=1.0)


def warm(model):
    """How fast a cold disk is read is not what is compared."""
    for path in model.iterdir():
        path.read_bytes()


def images_alone(extraction):
    model = extraction.clip_folder("vit-b-32")
    _, _, theirs = extraction.peer("images.py", model, extraction.data)
    said = extraction.bench.in_rust_says("images", model / "preprocessor_config.json", extraction.data / "images")
    ours = json.loads(said.splitlines()[-1])
    case = f"one image, one core ({ours['images']} images)"
    peer = "Pillow and CLIPImageProcessor"
    extraction.bench.add(case, once(ours["ms"] / 1e3), peer, once(theirs["ms"] / 1e3), target_ratio=3)
    extraction.bench.note(f"{case}: decoding alone (ms; Pillow {theirs['decode_ms']:.2f})", ours["decode_ms"])


def data_juicer(extraction):
    bench = extraction.bench
    if not extraction.torch.install_data_juicer():
        bench.say("extract: Data-Juicer cannot be installed here; left out")
        return
    model = extraction.clip_folder("vit-b-32")
    out = bench.folder("extract") / "data-juicer.npy"
    ours = extraction.ours("clip_score", "score.clip", model, [])
    theirs = extraction.peer("data_juicer_filter.py", model, extraction.data, out)
    case = f"score.clip, ViT-B/32, {len(ours[2])} samples"
    extraction.compare(case, [ours], "Data-Juicer", theirs, out, None)


def image_reward(extraction):
    bench = extraction.bench
    if "score.image_reward" not in run_with_peak([bench.trommel, "kinds"], bench.folder("extract"))[2]:
        bench.say("extract: this build has no score.image_reward; left out")
        return
    folder = bench.folder("extract-models") / "image-reward"
    if not (folder / "vocab.txt").exists():
        extraction.peer("image_reward.py", "make", folder, extraction.data)
    out = bench.folder("extract") / "image-reward.npy"
    ours = extraction.ours("image_reward", "score.image_reward", folder, extraction.few)
    theirs = extraction.peer("image_reward.py", "score", folder, extraction.data, out, *extraction.few)
    case = f"score.image_reward, {len(ours[2])} samples"
    extraction.compare(case, [ours], "PyTorch, one pair at a time", theirs, out, None)


PARTS = {
    "vit-b-32": lambda extraction: clip(extraction, "vit-b-32", "ViT-B/32"),
    "vit-l-14": lambda extraction: clip(extraction, "vit-l-14", "ViT-L/14"),
    "pixels": images_alone,
    "data-juicer": data_juicer,
    "image-reward": image_reward,
}
