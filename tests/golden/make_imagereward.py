"""Make imagereward/ beside this file, or check the reference computation against recorded outputs.

    python make_imagereward.py               writes the tiny random model, its images and texts, and what comes out
    python make_imagereward.py --check DIR   writes nothing; DIR has the same layout

README.md says what the files are and which versions made them.
"""

import argparse
import io
import json
import shutil
import sys
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from reference.imagereward import ImageReward

SEED = 42
VIT = {"image_size": 24, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "mlp_ratio": 4.0, "qkv_bias": True,
       "layer_norm_eps": 1e-6}
# The width of the published file's `encoder_width` is another model's; so is this one.
TEXT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "max_position_embeddings": 40, "encoder_width": 16, "add_cross_attention": True}
HEAD = ((0, 1024), (2, 128), (4, 64), (6, 16), (7, 1))
WORDS = ["a", "the", "red", "blue", "cup", "dog", "on", "table", "cafe", "of", "."]
TEXTS = [
    "a red cup on the table.",
    "A RED Cup, on the table!",
    "",
    " \t\n ",
    "dogs",
    "the dog of the dog of the dog of the dog of the dog of the dog of the dog of the dog of the dog",
    "the dog of the dog of the dog of the dog of the dog of the dog of the dog of the dog of a dog",
    "a [MASK] dog [SEP] on [ENC]the[DEC] table [enc] [CLS]",
    "Café CAFÉ café — “cup”",
    "一只dog上 cup\u200b\u00a0red\ufffd\u0007",
    "x" * 101 + " dog " + "d" * 100,
    "\u03a3\u0130 \U0001f63a dog's $3.50 #tag",
    "USER: What is on the table? ASSISTANT: A blue cup of the dog, and under it a small red one that nobody has seen so far.",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    folder = arguments.check or Path(__file__).resolve().parent / "imagereward"
    if not arguments.check:
        shutil.rmtree(folder, ignore_errors=True)
        make_model(folder)
        make_images(folder / "images")
        record(folder)
    sys.exit(0 if check(folder) else 1)


def make_model(folder):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    letters = sorted({c for text in TEXTS[:9] for c in text.lower() if c.isalnum() and c.isascii()} - set(WORDS))
    tokens += letters + ["##" + c for c in sorted({*letters, "a"})] + list("!?,'$#[]-—“一") + ["##ff", "##og"]
    (folder / "bert-base-uncased").mkdir(parents=True)
    (folder / "bert-base-uncased/vocab.txt").write_text("".join(t + "\n" for t in tokens))
    text = {**TEXT, "vocab_size": len(tokens) + 2}
    dump(folder / "med_config.json", text)
    dump(folder / "vit_config.json", VIT)
    torch.manual_seed(SEED)
    # Through half precision, so that the file packs well; larger than usual initial values, so that samples differ.
    weights = {name: draw(name, shape).half().float() for name, shape in shapes(text)}
    weights["blip.text_encoder.embeddings.position_ids"] = torch.arange(TEXT["max_position_embeddings"])[None]
    # As a module's state is saved, with the attribute that makes it more than a plain dictionary.
    state = OrderedDict(weights)
    state._metadata = OrderedDict([("", {"version": 1})])
    buffer = io.BytesIO()
    torch.save(state, buffer)
    (folder / "ImageReward.pt").write_bytes(buffer.getvalue())


def shapes(text):
    """The names and shapes of a model of these sizes, without those that it does not use."""
    width, inner, patch = VIT["embed_dim"], int(VIT["embed_dim"] * VIT["mlp_ratio"]), VIT["patch_size"]
    vit = "blip.visual_encoder."
    yield vit + "cls_token", (1, 1, width)
    yield vit + "pos_embed", (1, (VIT["image_size"] // patch) ** 2 + 1, width)
    yield from linear(vit + "patch_embed.proj", (3, patch, patch), width)
    for i in range(VIT["depth"]):
        block = f"{vit}blocks.{i}."
        yield from norm(block + "norm1", width)
        yield from linear(block + "attn.qkv", (width,), 3 * width)
        yield from linear(block + "attn.proj", (width,), width)
        yield from norm(block + "norm2", width)
        yield from linear(block + "mlp.fc1", (width,), inner)
        yield from linear(block + "mlp.fc2", (inner,), width)
    yield from norm(vit + "norm", width)
    hidden, inner = text["hidden_size"], text["intermediate_size"]
    bert = "blip.text_encoder."
    yield bert + "embeddings.word_embeddings.weight", (text["vocab_size"], hidden)
    yield bert + "embeddings.position_embeddings.weight", (text["max_position_embeddings"], hidden)
    yield from norm(bert + "embeddings.LayerNorm", hidden)
    for i in range(text["num_hidden_layers"]):
        layer = f"{bert}encoder.layer.{i}."
        for part, context in (("attention", hidden), ("crossattention", width)):
            yield from linear(f"{layer}{part}.self.query", (hidden,), hidden)
            yield from linear(f"{layer}{part}.self.key", (context,), hidden)
            yield from linear(f"{layer}{part}.self.value", (context,), hidden)
            yield from linear(f"{layer}{part}.output.dense", (hidden,), hidden)
            yield from norm(f"{layer}{part}.output.LayerNorm", hidden)
        yield from linear(layer + "intermediate.dense", (hidden,), inner)
        yield from linear(layer + "output.dense", (inner,), hidden)
        yield from norm(layer + "output.LayerNorm", hidden)
    inputs = hidden
    for place, outputs in HEAD:
        yield from linear(f"mlp.layers.{place}", (inputs,), outputs)
        inputs = outputs


def linear(name, inputs, outputs):
    return [(name + ".weight", (outputs, *inputs)), (name + ".bias", (outputs,))]


def norm(name, width):
    return [(name + ".weight", (width,)), (name + ".bias", (width,))]


def draw(name, shape):
    x = torch.randn(shape)
    if "norm" in name.lower():
        return 1 + 0.1 * x if name.endswith("weight") else 0.1 * x
    if len(shape) == 1:
        return 0.1 * x
    if "embed" in name and "proj" not in name or "token" in name:
        return 0.5 * x
    return (1 if name.startswith("mlp") else 1.4) * x / x[0].numel() ** 0.5


def make_images(folder):
    """One of every way to the crop: modes, sizes, odd rows to crop, none to resize."""
    folder.mkdir()
    save = lambda name, image, **options: image.save(folder / name, **options)
    rgb = Image.fromarray(picture(47, 31, 3))
    save("rgb.jpg", rgb, quality=90)
    save("grey.png", Image.fromarray(picture(31, 40, 1)))
    save("grey_alpha.png", Image.fromarray(picture(33, 29, 2), "LA"))
    save("rgba.png", Image.fromarray(picture(41, 30, 4), "RGBA"))
    save("rgb_key.png", Image.fromarray(picture(30, 28, 3)), transparency=(255, 195, 135))
    save("cmyk.jpg", Image.fromarray(picture(40, 36, 4), "CMYK"), quality=90)
    save("palette.png", rgb.quantize(12))
    save("palette_key.png", rgb.quantize(8), transparency=3)
    save("bits.png", Image.fromarray(picture(45, 37, 1)).convert("1"))
    save("tall.png", Image.fromarray(picture(7, 60, 3)))
    save("pixel.png", Image.fromarray(picture(1, 1, 3)))
    save("odd_1.png", Image.fromarray(picture(25, 24, 3)))
    save("odd_3.png", Image.fromarray(picture(24, 27, 3)))
    save("odd_5.png", Image.fromarray(picture(29, 24, 4), "RGBA"))
    save("deep.png", Image.fromarray(picture(30, 28, 1).astype(numpy.uint16) * 200))


def picture(width, height, channels):
    """Waves and a few sharp edges."""
    y, x = numpy.mgrid[0:height, 0:width].astype(numpy.float64)
    layers = []
    for c in range(channels):
        v = 128 + 110 * numpy.sin(x / (3.1 + c) + c) * numpy.cos(y / (4.3 - 0.4 * c))
        v[(x + 2 * y) % 17 < 2] = 255 - 60 * c
        layers.append(v)
    out = numpy.clip(numpy.stack(layers, -1), 0, 255).astype(numpy.uint8)
    return out[..., 0] if channels == 1 else out


def record(folder):
    model = ImageReward(folder)
    images, rejected = [], []
    for path in sorted((folder / "images").iterdir()):
        try:
            model.crop(path)
            images.append({"file": f"images/{path.name}"})
        except ValueError as error:
            rejected.append({"file": f"images/{path.name}", "error": str(error)})
    pairs = [{"prefix": f"pair{n}.", "text": 0, "image": n} for n in range(2)]
    texts = [{"text": text, "input_ids": model.ids(text)} for text in TEXTS]
    dump(folder / "expected.json", {"images": images, "rejected_images": rejected, "pairs": pairs, "texts": texts})
    save_file(compute(model, folder, images, TEXTS, pairs), folder / "golden.safetensors")


def compute(model, folder, images, texts, pairs):
    crops = [model.crop(folder / image["file"]) for image in images]
    ids = [model.ids(text) for text in texts]
    states = [model.image(crop) for crop in crops]
    first = torch.stack([torch.stack([model.first(i, s) for s in states]) for i in ids])
    rewards = torch.stack([torch.stack([model.reward(f) for f in row]) for row in first])
    embeds = {pair["prefix"] + "image_embeds": states[pair["image"]].contiguous() for pair in pairs}
    return {"crop_u8": torch.from_numpy(numpy.stack(crops)), "input_ids": torch.tensor(ids), "cls_features": first.contiguous(),
            "rewards": rewards, **embeds}


def check(folder):
    expected = json.loads((folder / "expected.json").read_text())
    golden = load_file(folder / "golden.safetensors")
    texts = [text["text"] for text in expected["texts"]]
    good = True
    for name, ours in compute(ImageReward(folder), folder, expected["images"], texts, expected["pairs"]).items():
        worst = float((ours.double() - golden[name].double()).abs().max())
        allowed = 2e-5 if ours.is_floating_point() else 0
        good &= worst <= allowed
        print(f"{'ok  ' if worst <= allowed else 'FAIL'} {name}: {ours.numel()} values, max abs {worst:.3g} (allowed {allowed:g})")
    return good


def dump(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
