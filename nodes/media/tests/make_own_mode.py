"""Writes own_mode.json: what PIL 10.4 makes of images/ when it resizes them in their own mode, as torchvision's transforms do.

    pip install Pillow==10.4.0
    python make_own_mode.py

For every file and two sides: the RGB bytes of the crop in hex; null where PIL does not read or does not resize it.
"""

import json
import pathlib

from PIL import Image

HERE = pathlib.Path(__file__).parent
SIDES = [9, 16]


def crop(path, side):
    try:
        image = Image.open(path)
        width, height = image.size
        long = int(side * max(width, height) / min(width, height))
        size = (side, long) if width <= height else (long, side)
        if size != image.size:
            image = image.resize(size, Image.BICUBIC)
        left, top = (round((n - side) / 2) for n in image.size)
        return image.crop((left, top, left + side, top + side)).convert("RGB").tobytes().hex()
    except Exception as error:
        print(path.name, side, "refused:", repr(error)[:90])
        return None


golden = {p.name: {str(side): crop(p, side) for side in SIDES} for p in sorted((HERE / "images").iterdir())}
(HERE / "own_mode.json").write_text(json.dumps(golden, separators=(",", ":")))
