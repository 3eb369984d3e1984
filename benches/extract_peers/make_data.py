"""Photographs that are none, with captions, for where no real ones are given: 91 JPEGs of 640 x 480 and 259 records over them.

    python make_data.py FOLDER
"""

import json
import pathlib
import random
import sys

import numpy
from PIL import Image

WORDS = "a man in red stands near the large window while two dogs and some old bicycles wait on that quiet street".split()
IMAGES, RECORDS = 91, 259


def photograph(draw):
    """Soft shapes at three scales and some grain: what a JPEG decoder has to do for it is what a photograph takes."""
    image = numpy.zeros((480, 640, 3))
    for cells, weight in ((6, 1.0), (24, 0.5), (96, 0.25)):
        noise = draw.integers(0, 256, (cells * 3 // 4, cells, 3), dtype=numpy.uint8)
        image += weight * numpy.asarray(Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC))
    image = image / 1.75 + draw.normal(0, 4, image.shape)
    return Image.fromarray(image.clip(0, 255).astype(numpy.uint8))


def sentence(draw):
    return " ".join(draw.choices(WORDS, k=draw.randrange(6, 40))).capitalize() + "."


def main():
    folder = pathlib.Path(sys.argv[1])
    (folder / "images").mkdir(parents=True, exist_ok=True)
    pixels, words = numpy.random.default_rng(1), random.Random(1)
    for number in range(IMAGES):
        photograph(pixels).save(folder / "images" / f"{number:06}.jpg", quality=90)
    records = []
    for number in range(RECORDS):
        turns = [{"from": "human", "value": f"<image>\n{sentence(words)}"}, {"from": "gpt", "value": sentence(words)}]
        records.append({"id": str(number), "image": f"{number % IMAGES:06}.jpg", "conversations": turns})
    (folder / "annotations.json").write_text(json.dumps(records))


main()
