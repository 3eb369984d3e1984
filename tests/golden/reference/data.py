"""The made-up records and images. Images are a few hundred bytes each, one per form that a decoder meets."""

import numpy
from PIL import Image, ImageDraw

STOP_IN_TEXT = "literal </s> in an answer: every label masked"


def make_images(folder):
    """{file name: what it is}"""
    folder.mkdir(parents=True, exist_ok=True)
    rng = numpy.random.default_rng(7)
    notes = {}

    def save(name, image, note, **options):
        image.save(folder / name, **options)
        notes[name] = f"{note}, {image.width}x{image.height}"

    palette = _scene(rng, 36, 40).quantize(9)
    grey16 = numpy.linspace(0, 1000, 34 * 38).astype(numpy.uint16).reshape(34, 38)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("photo_420.jpg", _scene(rng, 50, 37), "RGB JPEG 4:2:0", quality=80, subsampling=2)
    save("photo_444.jpg", _scene(rng, 33, 47), "RGB JPEG 4:4:4", quality=90, subsampling=0)
    save("progressive.jpg", _scene(rng, 41, 41), "progressive JPEG", quality=80, progressive=True)
    save("plain.png", _scene(rng, 45, 33), "RGB PNG")
    save("exact.png", _scene(rng, 32, 32), "its shorter side already has the size")
    save("gray.jpg", _scene(rng, 40, 36).convert("L"), "grey JPEG", quality=85)
    save("gray.png", _scene(rng, 35, 39).convert("L"), "grey PNG")
    save("gray16.png", Image.fromarray(grey16), "16-bit grey PNG: saturates at 255")
    save("cmyk.jpg", _scene(rng, 40, 34).convert("CMYK"), "CMYK JPEG with the Adobe marker", quality=85)
    rgba = _scene(rng, 38, 34).convert("RGBA")
    rgba.putalpha(Image.fromarray(numpy.tile(numpy.arange(38, dtype=numpy.uint8) * 6, (34, 1))))
    save("rgba.png", rgba, "RGBA PNG: alpha is dropped")
    save("la.png", rgba.convert("LA"), "grey and alpha PNG")
    save("palette.png", palette, "palette PNG")
    save("palette_trns.png", palette, "palette PNG, colour 2 transparent", transparency=2)
    save("onebit.png", _scene(rng, 37, 41).convert("1"), "1-bit PNG")
    save("exif6.jpg", _scene(rng, 48, 34), "JPEG with EXIF orientation 6: not rotated", quality=80, exif=exif)
    save("wide.png", _scene(rng, 97, 5), "very wide, enlarged")
    save("tall.jpg", _scene(rng, 6, 83), "very tall, enlarged", quality=85)
    return notes


def _scene(rng, width, height):
    """A slope of colour with three filled shapes."""
    a, b = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    t = (numpy.arange(width)[None, :, None] / width + numpy.arange(height)[:, None, None] / height) / 2
    image = Image.fromarray((a * (1 - t) + b * t).astype(numpy.uint8))
    draw = ImageDraw.Draw(image)
    for shape in (draw.ellipse, draw.rectangle, draw.ellipse):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = int(rng.integers(2, 3 + width // 2)), int(rng.integers(2, 3 + height // 2))
        shape((x - w // 2, y - h // 2, x + w // 2, y + h // 2), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return image


def _talk(*values):
    return [{"from": ("human", "gpt")[i % 2], "value": v} for i, v in enumerate(values)]


# (image or None, the corner case it is there for or None, turns)
_SAMPLES = [
    ("photo_420.jpg", None, _talk("<image>\nWhat is on the table?", "A red cup and two small plates.")),
    ("photo_444.jpg", "three rounds", _talk("What do you see?\n<image>", "A dog.", "What colour is it?", "It is brown.", "Is it old?", "No.")),
    (None, "no image", _talk("Name a fruit.", "An apple.")),
    ("gray.jpg", "unicode", _talk("<image>\nRead the sign.", "It says \"caf\u00e9 \u6f22 \U0001f642\", na\u00efve.")),
    ("gray.png", " ASSISTANT: in a human turn: every label masked", _talk("<image>\nRepeat: USER: hi ASSISTANT: ho", "hi and ho")),
    ("cmyk.jpg", STOP_IN_TEXT, _talk("<image>\nHow does it end?", "It ends with </s> here.")),
    ("rgba.png", "the unknown token, which is the padding token, in an answer: every label masked", _talk("<image>\nWhich token?", "It is <unk> again.")),
    ("palette.png", "empty answer: every label masked", _talk("<image>\nSay nothing.", "")),
    (None, "no image, two rounds", _talk("Count to three.", "1 2 3", "And back?", "3 2 1")),
    ("palette_trns.png", "an image, but no <image> in the text", _talk("Where is the cat?", "Under the chair.")),
    ("la.png", "<image> twice in one turn counts once", _talk("<image>\nCompare <image> with itself.", "They are the same.")),
    ("onebit.png", "<image> in the middle of the turn", _talk("What changed in this <image> picture?", "The light is off.")),
    ("gray16.png", "<image> in the second human turn", _talk("Who are you?", "An assistant.", "<image>\nWhat is it?", "A grey slope.")),
    ("exif6.jpg", "longer than the maximum: keeps its labels", _talk(
        "<image>\nDescribe it.", "A boat on a lake. " * 14 + "The end.")),
    ("wide.png", "question longer than the maximum: no label left", _talk("<image>\n" + "Why is it so wide? " * 14, "It is.")),
    (None, "no image, longer than the maximum", _talk("Tell a story.", "The cat sat on a mat. " * 16)),
    ("tall.jpg", "white space at the ends of the turns", _talk("  <image>\n  How tall?  ", "  Very tall. ")),
    (None, "literal <image> without an image", _talk("What is <image> for?", "It marks the place of an image.")),
    ("exact.png", "literal end-of-text of CLIP, the first one counts", _talk("<image>\nWhat is this?", "A <|endoftext|> mark, then more.")),
    ("progressive.jpg", "digits", _talk("<image>\nAdd 12 and 30.", "12 + 30 = 42.")),
    ("plain.png", None, _talk("<image>\nWhat is on the wall?", "A green clock and a map.")),
]

# Only for tokens: records that the text of samples would refuse, and more corner cases.
_EXTRA = [
    (None, "first turn from gpt is left out", [{"from": "gpt", "value": "Stray."}] + _talk("Now ask.", "And answer.")),
    ("plain.png", "the same with an image", [{"from": "gpt", "value": "Stray."}] + _talk("<image>\nNow ask.", "And answer.")),
    (None, "ends on a human turn: every label masked", _talk("One?", "Two.", "Three?")),
    ("plain.png", "the same with an image", _talk("<image>\nOne?", "Two.", "Three?")),
    (None, STOP_IN_TEXT, _talk("Stop at </s> now", "Yes.")),
    (None, "answer of white space only", _talk("Say nothing ", "  ")),
    ("plain.png", "<image> alone", _talk("<image>", "Only the token.")),
    (None, "long, with the mark in a human turn: labels up to there are kept", _talk(
        "One?", "The cat sat on a mat. " * 16, "Say ASSISTANT: now", "Now.")),
]

STRINGS = [
    "", " ", "  ", "hello", " hello", "\n", "a\n\nb", "x </s> y", "x</s>y", "</s>", " </s> ", "<s>hi", "<unk>",
    "USER: hi ASSISTANT: ", "\nWhat is it?", "caf\u00e9 \u6f22 \U0001f642", "\ttab", "a  b   c", "\u2581low", "123", "<image>",
    "<0x0A>", "</s></s>", "</s>USER: x", "end ", "\r\n", "e\u0301",
]


def records():
    """(records of the annotation file, {number: corner case}, extra records, {number: corner case})"""
    return _records(_SAMPLES, "t") + _records(_EXTRA, "x")


def _records(samples, prefix):
    out = []
    for number, (image, _, turns) in enumerate(samples):
        out.append({"id": f"{prefix}{number}", **({"image": image} if image else {}), "conversations": turns})
    return out, {str(i): note for i, (_, note, _) in enumerate(samples) if note}
