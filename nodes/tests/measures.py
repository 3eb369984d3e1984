"""Writes measures.json: what other programs measure of small images and texts.

    pip install Pillow==10.4.0 numpy==2.4.6 scipy==1.17.1 ImageHash==4.3.2 opencv-python-headless==5.0.0.93 py-data-juicer==1.6.1
    python measures.py

Images: size, format, grey levels and entropy by Pillow, blur by OpenCV's Laplacian, colourfulness by NumPy after the paper's
formula, hashes by imagehash. Texts: Data-Juicer's operators as they stand in its package.
"""

import json
import pathlib

import cv2
import imagehash
import numpy as np
from data_juicer.ops.filter.alphanumeric_filter import AlphanumericFilter
from data_juicer.ops.filter.character_repetition_filter import CharacterRepetitionFilter
from data_juicer.ops.filter.special_characters_filter import SpecialCharactersFilter
from data_juicer.ops.filter.word_repetition_filter import WordRepetitionFilter
from data_juicer.utils.constant import Fields, StatsKeys
from PIL import Image

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
QUICKSTART = ROOT / "examples/quickstart/data"
# Trommel does not read these.
NOT_READ = {"five_bits.bmp", "five_six_five.bmp", "palette.tif"}

OWN_TEXTS = [
    "",
    " ",
    "a",
    "ababababababab",
    "the the the the the the the the the the the the",
    "The cat sat on the mat. The cat sat on the mat. The cat sat on the mat, again and again and again.",
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12; (a) [b] {c} <d> | e",
    "Line one\nLine two\n\tLine three\n\n\nLine one\nLine two",
    "def f(x):\n    return x * x\n\ndef g(x):\n    return x * x\n",
    "UPPER lower MiXeD 123 !!! ??? ...",
]


def images():
    folder = ROOT / "nodes/media/tests/images"
    known = json.loads((folder.parent / "images.json").read_text())["images"]
    paths = [folder / name for name, image in sorted(known.items()) if image and name not in NOT_READ]
    paths += sorted((QUICKSTART / "images").glob("*.png"))[::24]
    return {str(path.relative_to(ROOT)): image(path) for path in paths}


def image(path):
    file = Image.open(path)
    rgb = file.convert("RGB")
    # By way of RGB: PIL 10 turns some modes (16 bits, alpha) into grey in other ways than into RGB.
    grey = rgb.convert("L")
    levels = np.asarray(grey, dtype=np.float64)
    r, g, b = np.moveaxis(np.asarray(rgb, dtype=np.float64), 2, 0)
    rg, yb = r - g, 0.5 * (r + g) - b
    colour = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    return {
        "width": rgb.width,
        "height": rgb.height,
        "aspect_ratio": rgb.width / rgb.height,
        "megapixels": rgb.width * rgb.height / 1e6,
        "bytes": path.stat().st_size,
        "format": file.format,
        "blur": float(cv2.Laplacian(np.asarray(grey), cv2.CV_64F).var()),
        "brightness": float(levels.mean()),
        "contrast": float(levels.std()),
        "colourfulness": float(colour),
        "entropy": abs(grey.entropy()),
        "dhash": str(imagehash.dhash(rgb)),
        "phash": str(imagehash.phash(rgb)),
    }


def measured(operator, key, text):
    samples = {"text": [text], Fields.stats: [{}]}
    return float(operator.compute_stats_batched(samples)[Fields.stats][0][key])


def texts():
    records = json.loads((QUICKSTART / "annotations.json").read_text())[::10]
    given = OWN_TEXTS + ["\n".join(turn["value"] for turn in record["conversations"]) for record in records]
    repeated = {
        **{f"char_{n}": (CharacterRepetitionFilter(rep_len=n), StatsKeys.char_rep_ratio) for n in (2, 5, 10)},
        **{f"word_{n}": (WordRepetitionFilter(rep_len=n), StatsKeys.word_rep_ratio) for n in (2, 5, 10)},
        "alphanumeric": (AlphanumericFilter(), StatsKeys.alnum_ratio),
        "special": (SpecialCharactersFilter(), StatsKeys.special_char_ratio),
    }
    return [{"text": text, **{name: measured(op, key, text) for name, (op, key) in repeated.items()}} for text in given]


if __name__ == "__main__":
    recorded = {"images": images(), "texts": texts()}
    (HERE / "measures.json").write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n")
