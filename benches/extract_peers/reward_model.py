"""ImageReward in plain PyTorch, as its paper and its weights' names describe it (arXiv 2304.05977; BLIP, arXiv 2201.12086).

A ViT-L/16 at 224 looks at the image; a BERT with cross-attention over all of its outputs reads the text; five linear
layers without anything between them make a number of the first position.
"""

import torch
from torch import nn
from torch.nn.functional import gelu, scaled_dot_product_attention

MEAN, STD = 0.16717362830052426, 1.0333394966054072
VOCABULARY, LENGTH = 30524, 35


def attention(q, k, v, heads, mask=None):
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Of the image tower: one matrix for queries, keys and values."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        return self.proj(attention(*self.qkv(x).chunk(3, -1), self.heads))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.attn, self.mlp = Attention(width, heads), Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vision(nn.Module):
    def __init__(self, width=1024, depth=24, heads=16):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 197, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, 16, 16)})
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, 1e-6)

    def forward(self, pixels):
        x = self.patch_embed["proj"](pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def output(inner, width):
    return nn.ModuleDict({"dense": nn.Linear(inner, width), "LayerNorm": nn.LayerNorm(width, 1e-12)})


def put_back(module, x, before):
    return module["LayerNorm"](module["dense"](x) + before)


class TextAttention(nn.Module):
    def __init__(self, width, over, heads=12):
        super().__init__()
        self.heads = heads
        parts = {"query": nn.Linear(width, width), "key": nn.Linear(over, width), "value": nn.Linear(over, width)}
        self.add_module("self", nn.ModuleDict(parts))
        self.output = output(width, width)

    def forward(self, x, over, mask=None):
        own = self._modules["self"]
        made = attention(own["query"](x), own["key"](over), own["value"](over), self.heads, mask)
        return put_back(self.output, made, x)


class TextLayer(nn.Module):
    def __init__(self, width, image_width):
        super().__init__()
        self.attention, self.crossattention = TextAttention(width, width), TextAttention(width, image_width)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, 4 * width)})
        self.output = output(4 * width, width)

    def forward(self, x, mask, image):
        x = self.crossattention(self.attention(x, x, mask), image)
        return put_back(self.output, gelu(self.intermediate["dense"](x)), x)


class Embeddings(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.word_embeddings, self.position_embeddings = nn.Embedding(VOCABULARY, width), nn.Embedding(512, width)
        self.LayerNorm = nn.LayerNorm(width, 1e-12)
        self.register_buffer("position_ids", torch.arange(512)[None])

    def forward(self, ids):
        return self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings(self.position_ids[:, : ids.shape[1]]))


class Text(nn.Module):
    def __init__(self, width=768, depth=12, image_width=1024):
        super().__init__()
        self.embeddings = Embeddings(width)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(TextLayer(width, image_width) for _ in range(depth))})

    def forward(self, ids, mask, image):
        x, added = self.embeddings(ids), (1 - mask[:, None, None].float()) * -10000
        for layer in self.encoder["layer"]:
            x = layer(x, added, image)
        return x


class ImageReward(nn.Module):
    def __init__(self):
        super().__init__()
        self.blip = nn.ModuleDict({
            "visual_encoder": Vision(), "text_encoder": Text(),
            "vision_proj": nn.Linear(1024, 256), "text_proj": nn.Linear(768, 256),
        })
        sizes = {"0": (768, 1024), "2": (1024, 128), "4": (128, 64), "6": (64, 16), "7": (16, 1)}
        self.mlp = nn.ModuleDict({"layers": nn.ModuleDict({at: nn.Linear(*size) for at, size in sizes.items()})})

    def forward(self, pixels, ids, mask):
        x = self.blip["text_encoder"](ids, mask, self.blip["visual_encoder"](pixels))[:, 0]
        for layer in self.mlp["layers"].values():
            x = layer(x)
        return (x[:, 0] - MEAN) / STD
