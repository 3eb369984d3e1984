"""Data as large as the published one: 158,000 records of conversations, scores, vectors, and small images."""

import array
import json
import random
import struct
import zlib

ROWS, IMAGES, DIMENSIONS = 158_000, 100_000, 128
WORDS = "what is the man in red doing near a large window with two dogs and some old bicycles on that quiet street".split()


def annotations(path, images):
    """LLaVA-like records, 217 MB; with names of images if so wanted."""
    if path.exists():
        return
    draw = random.Random(1)
    sentences = [" ".join(draw.choices(WORDS, k=draw.randrange(8, 40))).capitalize() + "." for _ in range(5000)]
    with open(path, "w") as file:
        for row in range(ROWS):
            turns = []
            for turn in range(draw.randrange(2, 10) // 2 * 2 or 2):
                text = " ".join(draw.choices(sentences, k=1 if turn % 2 == 0 else 3))
                if turn == 0 and images:
                    text = f"<image>\n{text}"
                turns.append({"from": ("human", "gpt")[turn % 2], "value": text})
            record = {"id": f"{row:012}"}
            if images:
                record["image"] = image_name(row % IMAGES)
            file.write(("[" if row == 0 else ",\n") + json.dumps(record | {"conversations": turns}))
        file.write("]\n")


def scores(path, seed):
    if not path.exists():
        draw = random.Random(seed)
        path.write_text(json.dumps({str(row): round(draw.gauss(0, 1), 6) for row in range(ROWS)}))


def vectors(path):
    """A NumPy file of f32."""
    if path.exists():
        return
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({ROWS}, {DIMENSIONS}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    draw = random.Random(5)
    pool = array.array("f", (draw.gauss(0, 1) for _ in range(1 << 20)))
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        for _ in range(ROWS):
            start = draw.randrange(len(pool) - DIMENSIONS)
            file.write(pool[start : start + DIMENSIONS].tobytes())


def image_name(number):
    return f"{number:012}.png"


def images(folder):
    """PNGs of 8 x 8 pixels, no two alike."""
    folder.mkdir(exist_ok=True)
    if (folder / image_name(IMAGES - 1)).exists():
        return
    draw = random.Random(6)
    for number in range(IMAGES):
        pixels = b"".join(b"\0" + draw.randbytes(24) for _ in range(8))
        (folder / image_name(number)).write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(pixels, 1)) + chunk(b"IEND", b"")
        )


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
