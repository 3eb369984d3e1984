"""Loads a model that train.self_filter saved with transformers, and compares its logits with those in saved/logits.safetensors.

    trommel run tests/golden/saved/pipeline.yaml --set out=FOLDER     # makes the folder
    python check_saved.py FOLDER                                      # compares
    python check_saved.py FOLDER --write                              # writes saved/logits.safetensors anew

Needs torch, transformers, sentencepiece, safetensors. The language model is transformers' own; what LLaVA adds (vision tower, projector,
patches in the place of the image token) is computed here in plain PyTorch. nodes/torch holds the program's own logits against the
same file.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, CLIPVisionModel, LlamaForCausalLM

HERE = Path(__file__).parent
LOGITS = HERE / "saved/logits.safetensors"
IMAGE = -200
MAX_LENGTH = 112
# Records of data/llava_instruct.json: two with an image, one without.
SAMPLES = [0, 2, 3]
# The last places of each: they see all of it.
PLACES = 8
TOLERANCE = 1e-4


def weights_of(folder):
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return load_file(folder / "model.safetensors")
    shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    return {name: tensor for shard in shards for name, tensor in load_file(folder / shard).items()}


def load(folder):
    model, told = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not told["missing_keys"], told
    own = ("model.mm_projector.", "score_net.")
    strange = [name for name in told["unexpected_keys"] if not name.startswith(own)]
    assert not strange, strange
    return model.eval()


def check_config(folder):
    config = json.loads((folder / "config.json").read_text())
    expected = {
        "model_type": "llava_llama",
        "architectures": ["LlavaLlamaForCausalLM"],
        "mm_projector_type": "linear",
        "mm_hidden_size": 16,
        "mm_vision_select_layer": -2,
        "mm_use_im_patch_token": False,
        "use_mm_proj": True,
    }
    wrong = {key: config.get(key) for key, value in expected.items() if config.get(key) != value}
    assert not wrong, wrong
    return config


def logits_of(folder):
    model, weights, config = load(folder), weights_of(folder), check_config(folder)
    tower = CLIPVisionModel.from_pretrained(HERE / "clip", dtype=torch.float32).eval()
    records = json.loads((HERE / "data/llava_instruct.json").read_text())
    samples = json.loads((HERE / "golden/4_tokens/samples.json").read_text())
    pixels = load_file(HERE / "golden/2_clip/pixel_values.safetensors")

    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=False)
    strings = json.loads((HERE / "golden/4_tokens/strings.json").read_text())
    for string in strings[:5]:
        assert tokenizer(string["text"]).input_ids == string["input_ids"], string

    found = {}
    for unique_idx in SAMPLES:
        parts = []
        for token in samples[unique_idx]["input_ids"][:MAX_LENGTH]:
            if token != IMAGE:
                parts.append(model.get_input_embeddings()(torch.tensor([token])))
                continue
            states = tower(pixels[records[unique_idx]["image"]][None], output_hidden_states=True).hidden_states
            patches = states[config["mm_vision_select_layer"]][0, 1:]
            projector = [weights["model.mm_projector." + part] for part in ("weight", "bias")]
            parts.append(torch.nn.functional.linear(patches, *projector))
        embedded = torch.cat(parts)[None, :MAX_LENGTH]
        found[f"sample{unique_idx}"] = model(inputs_embeds=embedded).logits[0, -PLACES:].contiguous()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with torch.no_grad():
        found = logits_of(arguments.folder)
    if arguments.write:
        save_file(found, LOGITS)
        print(f"wrote {LOGITS}")
        return
    expected = load_file(LOGITS)
    assert expected.keys() == found.keys()
    worst = max((found[name] - expected[name]).abs().max().item() for name in expected)
    print(f"{len(found)} samples, {sum(len(t) for t in found.values())} places: largest difference {worst:.1e}")
    if not worst < TOLERANCE:
        sys.exit(f"more than {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
