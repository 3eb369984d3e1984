"""Writes forms/: tiny checkpoints in the forms that two-tower models are published in, and what transformers makes of some rows.

    pip install torch==2.11.0 transformers==4.57.3 sentencepiece protobuf pillow==12.0.0
    python make_forms.py

laion/   as laion/CLIP-ViT-H-14: gelu, towers of different widths, .bin shards, the legacy end token, integers as sizes
siglip/  as google/siglip-base-patch16-224: sentencepiece (unigram), a head that attends to the patches

Each has expected.json (texts, token ids, images) and expected.safetensors (image and text embeddings of length 1).
"""

import io
import json
import random
import shutil
from pathlib import Path

import sentencepiece
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import (CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast, SiglipConfig, SiglipImageProcessor,
                          SiglipModel, SiglipTokenizer)

HERE = Path(__file__).resolve().parent
IMAGES = ["photo_420.jpg", "tall.jpg", "wide.png", "gray.jpg", "palette_trns.png", "cmyk.jpg"]
TEXTS = ["A red cup on the table.", "", "Who's  holding\n the KITE?", "caf\u00e9 na\u00efve \u6f22\u5b57 \U0001f642",
         " leading space, trailing space ", "12345 3.5% (really)", "the dog holds a kite " * 30]
NOUNS = "dog cat train kite river lamp harbour bicycle painter teacher window garden cup table".split()
VERBS = "holds paints watches repairs carries follows opens lights".split()


def main():
    torch.manual_seed(11)
    laion(HERE / "forms/laion")
    siglip(HERE / "forms/siglip")


def laion(folder):
    fresh(folder)
    golden = HERE / "clip"
    for name in ("merges.txt", "tokenizer_config.json"):
        shutil.copy(golden / name, folder)
    vocabulary = json.loads((golden / "vocab.json").read_text())
    # The end of text has the largest id here, as it must where config.json names the legacy token 2.
    last = max(vocabulary, key=vocabulary.get)
    vocabulary[last], vocabulary["<|endoftext|>"] = vocabulary["<|endoftext|>"], vocabulary[last]
    write(folder / "vocab.json", vocabulary)
    config = CLIPConfig(
        text_config=dict(vocab_size=len(vocabulary), hidden_size=16, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=2, hidden_act="gelu", eos_token_id=2),
        vision_config=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
                           image_size=30, patch_size=14, hidden_act="gelu"),
        projection_dim=20)
    model = CLIPModel(config).eval()
    fill(model)
    model.save_pretrained(folder, safe_serialization=False, max_shard_size="150KB")
    # What a file leaves out has the library's default.
    saved = json.loads((folder / "config.json").read_text())
    for tower in ("text_config", "vision_config"):
        for key in ("attention_dropout", "initializer_factor", "initializer_range", "layer_norm_eps", "dropout", "num_channels",
                    "max_position_embeddings"):
            saved[tower].pop(key, None)
    saved["text_config_dict"], saved["vision_config_dict"] = None, None
    write(folder / "config.json", saved)
    write(folder / "preprocessor_config.json", {"size": 30, "crop_size": 30, "image_processor_type": "CLIPImageProcessor"})
    model = CLIPModel.from_pretrained(folder).eval()
    tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    processor = CLIPImageProcessor.from_pretrained(folder)
    ids = [tokenizer(text, truncation=True, max_length=77).input_ids for text in TEXTS]
    expected(folder, model, processor, ids)


def siglip(folder):
    fresh(folder)
    random.seed(5)
    corpus = [f"a {random.choice(NOUNS)} {random.choice(VERBS)} the {random.choice(NOUNS)} {random.randint(0, 99)} really its"
              for _ in range(3000)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, model_type="unigram", vocab_size=60, pad_id=-1, bos_id=-1,
        eos_id=1, unk_id=2, normalization_rule_name="nmt_nfkc", num_threads=1, minloglevel=2)
    (folder / "spiece.model").write_bytes(model.getvalue())
    tokenizer = SiglipTokenizer(str(folder / "spiece.model"))
    tokenizer.save_pretrained(folder)
    common = dict(intermediate_size=48, num_hidden_layers=2)
    config = SiglipConfig(
        text_config=dict(vocab_size=len(tokenizer), hidden_size=16, num_attention_heads=2, projection_size=24, **common),
        vision_config=dict(hidden_size=24, num_attention_heads=3, image_size=32, patch_size=8, **common))
    model = SiglipModel(config).eval()
    fill(model)
    model.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    model = SiglipModel.from_pretrained(folder).eval()
    processor = SiglipImageProcessor.from_pretrained(folder)
    ids = [tokenizer(text, padding="max_length", truncation=True, max_length=64).input_ids for text in TEXTS]
    expected(folder, model, processor, ids)


@torch.no_grad()
def expected(folder, model, processor, ids):
    texts = [model.get_text_features(input_ids=torch.tensor([row])) for row in ids]
    images = []
    for name in IMAGES:
        with Image.open(HERE / "data/images" / name) as image:
            pixels = processor(image.convert("RGB"), return_tensors="pt").pixel_values
        images.append(model.get_image_features(pixel_values=pixels))
    save_file({"image": unit(torch.cat(images)), "text": unit(torch.cat(texts))}, folder / "expected.safetensors")
    write(folder / "expected.json", {"images": IMAGES, "texts": TEXTS, "ids": ids})


def unit(rows):
    return (rows / rows.norm(dim=-1, keepdim=True)).contiguous()


def fill(model):
    """Larger than the usual initial values, so that rows differ and attention is not flat."""
    for name, p in model.named_parameters():
        with torch.no_grad():
            if "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.1 * torch.randn_like(p))
            elif p.dim() == 1:
                p.copy_(0.1 * torch.randn_like(p))
            elif "embed" in name and p.dim() == 2:
                p.copy_(0.5 * torch.randn_like(p))
            elif p.dim() > 1:
                p.copy_(1.5 * torch.randn_like(p) / p[0].numel() ** 0.5)


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
