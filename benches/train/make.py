"""What the training benchmarks read: a LLaVA of published shape with random weights, and samples with their token ids.

    python make.py data SAMPLES TOKENIZER FOLDER
    python make.py model SHAPE DATA FOLDER [cpu|cuda]

data    SAMPLES is a folder with annotations.json (LLaVA form) and images/, TOKENIZER a sentencepiece model of 32,000 pieces.
        FOLDER gets all that training needs of them, so that it can be carried to a machine without a tokenizer's library: the samples,
        their ids and labels (samples.json), their images' crops in 8 bits, three made-up scores, and the tokenizer.
model   FOLDER gets llama/, clip/ and projector.safetensors; DATA is what `data` made.
"""

import json
import pathlib
import random
import shutil
import sys

import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MAX_LENGTH = 2048
SCORES = {"clip_score": (0.27, 0.04), "image_reward": (0.0, 1.0), "judge": (7.0, 2.0)}  # mean and deviation
VOCABULARY = 32_000
SHARD = 4 << 30  # bytes of a file of weights
SHAPES = {
    # 110 million parameters in its products, and 25 million in the embedding.
    "110m": {"llama": (768, 2048, 12, 12), "clip": (768, 3072, 12, 12, 32), "dtype": "float32"},
    # LLaVA v1's: Vicuna-7B and CLIP ViT-L/14.
    "7b": {"llama": (4096, 11008, 32, 32), "clip": (1024, 4096, 24, 16, 14), "dtype": "bfloat16"},
    "tiny": {"llama": (64, 128, 2, 4), "clip": (32, 64, 3, 4, 56), "dtype": "float32"},
    "tiny-bf16": {"llama": (64, 128, 2, 4), "clip": (32, 64, 3, 4, 56), "dtype": "bfloat16"},
}


def data(source, tokenizer, folder):
    # Only here: where the models are made, there need be neither a tokenizer's library nor Pillow.
    from PIL import Image
    from transformers import CLIPImageProcessor, LlamaTokenizer

    sys.path.insert(0, str(ROOT / "tests" / "golden"))
    from reference.text import IMAGE_ID, tokenise

    (folder / "images").mkdir(exist_ok=True)
    shutil.copyfile(source / "annotations.json", folder / "annotations.json")
    shutil.copyfile(tokenizer, folder / "tokenizer.model")
    words = LlamaTokenizer(str(tokenizer), legacy=True)
    words.pad_token = words.unk_token
    crop = CLIPImageProcessor(do_rescale=False, do_normalize=False)
    samples, crops = [], {}
    for number, record in enumerate(json.loads((source / "annotations.json").read_text())):
        ids, labels, _ = tokenise(record, words, MAX_LENGTH)
        image = record.get("image") if IMAGE_ID in ids[:MAX_LENGTH] else None
        samples.append({"unique_idx": number, "image": image, "ids": ids, "labels": labels})
        if "image" in record:
            shutil.copyfile(source / "images" / record["image"], folder / "images" / record["image"])
        if image and image not in crops:
            pixels = crop(Image.open(source / "images" / image).convert("RGB"), return_tensors="pt")["pixel_values"]
            crops[image] = pixels[0].to(torch.uint8).contiguous()
    save_file(crops, folder / "crops.safetensors")
    draw = random.Random(1)
    for name, (mean, deviation) in SCORES.items():
        scores = {str(sample["unique_idx"]): round(draw.gauss(mean, deviation), 4) for sample in samples}
        (folder / f"{name}.json").write_text(json.dumps(scores))
    # The last, so that a folder with it is whole.
    (folder / "samples.json").write_text(json.dumps(samples))


def model(shape, samples, folder, device):
    shape = SHAPES[shape]
    torch.manual_seed(1)
    clip(folder / "clip", *shape["clip"])
    width, vision = shape["llama"][0], shape["clip"][0]
    dtype = getattr(torch, shape["dtype"])
    save_file(
        {
            "model.mm_projector.weight": (torch.randn(width, vision) * 0.02).to(dtype),
            "model.mm_projector.bias": torch.zeros(width, dtype=dtype),
        },
        folder / "projector.safetensors",
    )
    llama(folder / "llama", shape["llama"], dtype, device)
    shutil.copyfile(samples / "tokenizer.model", folder / "llama" / "tokenizer.model")


def llama(folder, sizes, dtype, device):
    """A checkpoint in shards. Made tensor by tensor: a model of 7 billion parameters is nowhere whole."""
    width, inner, layers, heads = sizes
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"model.embed_tokens.weight": (VOCABULARY, width)}
    for layer in range(layers):
        at = f"model.layers.{layer}"
        tensors |= {f"{at}.{name}.weight": (width,) for name in ("input_layernorm", "post_attention_layernorm")}
        tensors |= {f"{at}.self_attn.{name}_proj.weight": (width, width) for name in "qkvo"}
        tensors |= {f"{at}.mlp.{name}_proj.weight": (inner, width) for name in ("gate", "up")}
        tensors |= {f"{at}.mlp.down_proj.weight": (width, inner)}
    tensors |= {"model.norm.weight": (width,), "lm_head.weight": (VOCABULARY, width)}

    shard, size, places = {}, 0, {}

    def write():
        file = f"model-{len(set(places.values())) + 1:05}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        places.update(dict.fromkeys(shard, file))
        shard.clear()

    # The score net lies in full precision beside the model, and so both sides start from the same.
    shard["score_net.weight"] = torch.randn(1, len(SCORES)) * 0.02
    for name, sizes_of in tensors.items():
        value = torch.randn(sizes_of, device=device) * 0.02 if len(sizes_of) == 2 else torch.ones(sizes_of)
        shard[name] = value.to(dtype).cpu()
        size += value.numel() * shard[name].element_size()
        if size > SHARD:
            write()
            size = 0
    write()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": width,
        "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": heads,
        "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "max_position_embeddings": MAX_LENGTH,
        "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": str(dtype).removeprefix("torch."),
    }))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
        "add_bos_token": True, "add_eos_token": False, "model_max_length": MAX_LENGTH,
    }))


def clip(folder, width, inner, layers, heads, patch):
    """The vision tower, in float32 as published, beside a text tower that nobody reads."""
    from transformers import CLIPConfig, CLIPModel

    text = {"vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    vision = {
        "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads,
        "image_size": 224, "patch_size": patch,
    }
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": 224, "resample": 3, "do_center_crop": True,
        "crop_size": 224, "do_normalize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }))


def main():
    what, first, second, folder, *device = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if what == "data":
        data(pathlib.Path(first), pathlib.Path(second), folder)
    else:
        model(first, pathlib.Path(second), folder, *(device or ["cpu"]))


main()
