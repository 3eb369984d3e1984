"""A CLIP of real shape with random weights and the published tokenizer.

    python make_clip.py vit-b-32|vit-l-14 FOLDER
"""

import gzip
import importlib.util
import json
import math
import pathlib
import sys

import torch
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

TEXT = {"vocab_size": 49408, "max_position_embeddings": 77, "bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
SHAPES = {
    "vit-b-32": {
        "text_config": TEXT | {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "num_hidden_layers": 12},
        "vision_config": {
            "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12,
            "image_size": 224, "patch_size": 32,
        },
        "projection_dim": 512,
    },
    "vit-l-14": {
        "text_config": TEXT | {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12},
        "vision_config": {
            "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
            "image_size": 224, "patch_size": 14,
        },
        "projection_dim": 768,
    },
}


def letters():
    """The printable stand-ins of all bytes, in the order of CLIP's vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(len(others))]


def tokenizer(folder):
    """vocab.json and merges.txt out of the list of merges that the package brings."""
    # Importing the package would want all that it needs.
    [package] = importlib.util.find_spec("open_clip").submodule_search_locations
    packed = pathlib.Path(package) / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    tokens = letters() + [letter + "</w>" for letter in letters()] + [merge.replace(" ", "") for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    assert len(tokens) == 49408, len(tokens)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    settings = ends | {"tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "model_max_length": 77}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps(ends))


def main():
    shape, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    model = CLIPModel(CLIPConfig(**SHAPES[shape]))
    # As in the published weights, so that logits are a hundred times the cosine.
    model.logit_scale.data.fill_(math.log(100))
    CLIPImageProcessor().save_pretrained(folder)
    tokenizer(folder)
    model.save_pretrained(folder)


main()
