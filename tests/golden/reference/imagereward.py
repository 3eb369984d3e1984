"""ImageReward (arXiv 2304.05977) in plain PyTorch: its transform, its tokens, its model. One image and one text at a time."""

import json

import numpy
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import BertTokenizer

MEAN, STD = 0.16717362830052426, 1.0333394966054072
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
TOKENS = 35


class ImageReward:
    def __init__(self, folder):
        self.weights = torch.load(folder / "ImageReward.pt", weights_only=True)
        self.text = json.loads((folder / "med_config.json").read_text())
        self.vit = json.loads((folder / "vit_config.json").read_text())
        self.tokenizer = tokenizer(folder)

    def ids(self, text):
        return self.tokenizer(text, padding="max_length", truncation=True, max_length=TOKENS).input_ids

    def crop(self, path):
        return crop(path, self.vit["image_size"])

    @torch.no_grad()
    def image(self, crop):
        """[1 + patches, width]"""
        pixels = (torch.from_numpy(crop).permute(2, 0, 1).float() / 255 - column(PIXEL_MEAN)) / column(PIXEL_STD)
        at, width, eps = "blip.visual_encoder.", self.vit["embed_dim"], self.vit["layer_norm_eps"]
        w = self.weights
        x = F.conv2d(pixels[None], w[at + "patch_embed.proj.weight"], w[at + "patch_embed.proj.bias"], stride=self.vit["patch_size"])
        x = torch.cat([w[at + "cls_token"][0], x[0].flatten(1).T]) + w[at + "pos_embed"][0]
        for i in range(self.vit["depth"]):
            block = f"{at}blocks.{i}."
            q, k, v = self.linear(block + "attn.qkv", self.norm(block + "norm1", x, eps)).split(width, -1)
            x = x + self.linear(block + "attn.proj", attend(q, k, v, self.vit["num_heads"]))
            inner = F.gelu(self.linear(block + "mlp.fc1", self.norm(block + "norm2", x, eps)))
            x = x + self.linear(block + "mlp.fc2", inner)
        return self.norm(at + "norm", x, eps)

    @torch.no_grad()
    def first(self, ids, image):
        """[width]: the first token's last state. All 35 positions are computed; padding is hidden as the original hides it."""
        at, heads, eps = "blip.text_encoder.", self.text["num_attention_heads"], self.text["layer_norm_eps"]
        ids = torch.tensor(ids)
        hidden = (ids == self.tokenizer.pad_token_id) * -10000.0
        x = self.weights[at + "embeddings.word_embeddings.weight"][ids]
        x = x + self.weights[at + "embeddings.position_embeddings.weight"][: len(ids)]
        x = self.norm(at + "embeddings.LayerNorm", x, eps)
        for i in range(self.text["num_hidden_layers"]):
            layer = f"{at}encoder.layer.{i}."
            for part, context, mask in (("attention", x, hidden), ("crossattention", image, None)):
                q, k, v = (self.linear(f"{layer}{part}.self.{n}", c) for n, c in (("query", x), ("key", context), ("value", context)))
                mixed = self.linear(f"{layer}{part}.output.dense", attend(q, k, v, heads, mask))
                x = self.norm(f"{layer}{part}.output.LayerNorm", mixed + x, eps)
            inner = F.gelu(self.linear(layer + "intermediate.dense", x))
            x = self.norm(layer + "output.LayerNorm", self.linear(layer + "output.dense", inner) + x, eps)
        return x[0]

    @torch.no_grad()
    def reward(self, first):
        for layer in (0, 2, 4, 6, 7):
            first = self.linear(f"mlp.layers.{layer}", first)
        return (first[0] - MEAN) / STD

    def linear(self, name, x):
        return F.linear(x, self.weights[name + ".weight"], self.weights.get(name + ".bias"))

    def norm(self, name, x, eps):
        return F.layer_norm(x, x.shape[-1:], self.weights[name + ".weight"], self.weights[name + ".bias"], eps)


def tokenizer(folder):
    tokens = BertTokenizer.from_pretrained(str(folder / "bert-base-uncased"))
    tokens.add_special_tokens({"bos_token": "[DEC]"})
    tokens.add_special_tokens({"additional_special_tokens": ["[ENC]"]})
    return tokens


def crop(path, side):
    """[side, side, 3] bytes: resized in the mode of the file, cropped, converted."""
    with Image.open(path) as image:
        width, height = image.size
        short, long = min(width, height), int(side * max(width, height) / min(width, height))
        size = (side, long) if width == short else (long, side)
        if size != image.size:
            image = image.resize(size, Image.BICUBIC)
        left, top = (round((n - side) / 2) for n in image.size)
        return numpy.array(image.crop((left, top, left + side, top + side)).convert("RGB"))


def attend(q, k, v, heads, mask=None):
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(0, 1) for x in (q, k, v))
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)


def column(values):
    return torch.tensor(values)[:, None, None]
