"""Writes images/ and images.json: tiny images, one per mode, and what PIL 10.4 and transformers 4.37.2 make of them.

    pip install Pillow==10.4.0 numpy==1.26.4 transformers==4.37.2 torch
    python make_images.py

images.json holds, for every file, its size, the RGB bytes in hex and, for two configurations, the pixel values as the
hex of their little-endian float32 (for some of the files); for files that must be refused, null.
"""

import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image
from transformers import CLIPImageProcessor

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "images"
CONFIGS = {
    "square": {"size": 12, "crop_size": 12},
    "oblong": {
        "size": {"height": 9, "width": 14},
        "crop_size": {"height": 8, "width": 11},
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "image_mean": [0.5, 0.25, 0.125],
        "image_std": [0.5, 0.3, 0.7],
    },
}


RESIZED = ["rgb.png", "tall.png", "wide.png", "exact.png", "one_pixel.png", "rgb_2.jpg"]


def picture(width, height, channels):
    """Waves and a few sharp edges: smooth enough for JPEG, rich enough for a filter."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    layers = []
    for c in range(channels):
        v = 128 + 90 * np.sin(x / (2.1 + c) + c) * np.cos(y / (3.3 - 0.4 * c))
        v[(x + 2 * y) % 11 < 2] = 255 - 60 * c
        layers.append(v)
    out = np.clip(np.stack(layers, -1), 0, 255).astype(np.uint8)
    return out[..., 0] if channels == 1 else out


def save(name, image, **options):
    image.save(FOLDER / name, **options)


def png16(name, kind, values):
    """A 16-bit PNG of a colour type that PIL does not write: 2 = RGB, 4 = grey and alpha, 6 = RGBA."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(tag, body):
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    (FOLDER / name).write_bytes(data)


def bmp(name, bits, width, height, rows, masks=b"", compression=0, palette=b""):
    offset = 54 + len(masks) + len(palette)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 2835, 2835, len(palette) // 4, 0)
    (FOLDER / name).write_bytes(b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + head + masks + palette + rows)


def make():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    rgb = Image.fromarray(picture(23, 17, 3))
    grey = Image.fromarray(picture(23, 17, 1))
    for subsampling in (0, 1, 2):
        save(f"rgb_{subsampling}.jpg", rgb, quality=90, subsampling=subsampling)
    save("progressive.jpg", rgb, quality=80, progressive=True)
    save("grey.jpg", grey, quality=85)
    save("cmyk.jpg", Image.fromarray(picture(23, 17, 4), "CMYK"), quality=90)
    exif = Image.Exif()
    exif[0x112] = 6
    save("turned.jpg", rgb, quality=85, exif=exif)
    save("optimized_restart.jpg", rgb, quality=85, optimize=True, restart_marker_blocks=1)
    rgb = Image.fromarray(picture(13, 11, 3))
    grey = Image.fromarray(picture(13, 11, 1))
    save("rgb.png", rgb)
    save("tall.png", Image.fromarray(picture(5, 40, 3)))
    save("wide.png", Image.fromarray(picture(61, 4, 3)))
    save("exact.png", Image.fromarray(picture(12, 12, 3)))
    save("one_pixel.png", Image.fromarray(picture(1, 1, 3)))
    save("rgba.png", Image.fromarray(picture(13, 11, 4), "RGBA"))
    save("grey.png", grey)
    save("grey_key.png", grey, transparency=128)
    save("grey_alpha.png", Image.fromarray(picture(13, 11, 2), "LA"))
    save("one_bit.png", grey.convert("1"))
    save("grey16.png", Image.fromarray((picture(13, 11, 1).astype(np.uint16) * 3)))
    deep = picture(9, 7, 4).astype(np.uint16) * 257 - 100
    png16("rgb16.png", 2, deep[..., :3])
    png16("grey_alpha16.png", 4, deep[..., :2])
    png16("rgba16.png", 6, deep)
    for colours in (2, 4, 16, 200):
        save(f"palette_{colours}.png", rgb.quantize(colours))
    save("palette_key.png", rgb.quantize(16), transparency=bytes([0, 128, 255, 0]))
    save("interlaced.gif", rgb.quantize(32), interlace=1)
    save("palette.gif", rgb.quantize(32), interlace=0)
    save("key.gif", rgb.quantize(16), transparency=3)
    save("grey.gif", grey)
    save("two.gif", rgb.quantize(8), save_all=True, append_images=[grey.convert("P")])
    save("rgb.bmp", rgb)
    save("grey.bmp", grey)
    save("palette.bmp", rgb.quantize(200))
    save("one_bit.bmp", grey.convert("1"))
    save("rgba.bmp", Image.fromarray(picture(9, 7, 4), "RGBA"))
    bits = (np.arange(8 * 6) * 1361 % 65536).astype("<u2")
    bmp("five_bits.bmp", 16, 8, 6, bits.tobytes())
    bmp("five_six_five.bmp", 16, 8, 6, bits.tobytes(), struct.pack("<III", 0xF800, 0x7E0, 0x1F), 3)
    save("lossless.webp", rgb, lossless=True)
    save("lossy.webp", Image.fromarray(picture(40, 30, 3)), quality=80)
    save("alpha.webp", Image.fromarray(picture(13, 11, 4), "RGBA"), lossless=True, exact=True)
    save("rgb.tif", rgb)
    save("lzw.tif", rgb, compression="tiff_lzw")
    save("grey.tif", grey)
    save("grey16.tif", Image.fromarray((picture(9, 7, 1).astype(np.uint16) * 3)))
    save("palette.tif", rgb.quantize(16))
    save("one_bit.tif", grey.convert("1"))
    # What PIL refuses (or takes, where only the end of the file is gone).
    for name in ("rgb_2.jpg", "progressive.jpg", "rgb.png", "palette.gif", "rgb.bmp", "lossless.webp", "rgb.tif"):
        data = (FOLDER / name).read_bytes()
        stem, kind = name.rsplit(".", 1)
        (FOLDER / f"half_{stem}.{kind}").write_bytes(data[: len(data) * 6 // 10])
    jpeg = (FOLDER / "rgb_2.jpg").read_bytes()
    (FOLDER / "no_end.jpg").write_bytes(jpeg[:-2])
    (FOLDER / "behind_end.jpg").write_bytes(jpeg + b"more")
    (FOLDER / "garbage_inside.jpg").write_bytes(jpeg[:-2] + b"garbage" + jpeg[-2:])
    spoilt = bytearray(jpeg)
    spoilt[-30:-20] = b"\x55" * 10
    (FOLDER / "spoilt.jpg").write_bytes(bytes(spoilt))
    png = (FOLDER / "rgb.png").read_bytes()
    (FOLDER / "no_end.png").write_bytes(png[:-12])
    spoilt = bytearray(png)
    spoilt[len(png) // 2] ^= 255
    (FOLDER / "spoilt.png").write_bytes(bytes(spoilt))
    (FOLDER / "empty.png").write_bytes(b"")
    (FOLDER / "text.jpg").write_bytes(b"<html>not an image</html>")
    (FOLDER / "png_named.jpg").write_bytes(png)


def describe(path):
    try:
        image = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    except Exception as error:
        print(path.name, "refused:", repr(error)[:100])
        return None
    out = {"width": image.width, "height": image.height, "rgb": image.tobytes().hex()}
    for name, config in CONFIGS.items() if path.name in RESIZED else []:
        processor = CLIPImageProcessor(**config)
        pixels = processor(images=image, return_tensors="np", input_data_format="channels_last")["pixel_values"][0]
        out[name] = pixels.astype("<f4").tobytes().hex()
    return out


make()
golden = {p.name: describe(p) for p in sorted(FOLDER.iterdir())}
(HERE / "images.json").write_text(json.dumps({"configs": CONFIGS, "images": golden}, separators=(",", ":")))
print(len(golden), "images,", sum(p.stat().st_size for p in FOLDER.iterdir()), "bytes; json", (HERE / "images.json").stat().st_size)
