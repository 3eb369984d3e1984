"""Writes forms/{llama_biases,mistral,qwen2,llava_v1_5}: tiny random checkpoints of language models, and what transformers makes of some ids.

    pip install torch==2.11.0 transformers==4.57.6 safetensors sentencepiece protobuf pillow
    python make_decoders.py

llama_biases  every bias that LLaMA's configuration knows, linear rope scaling; one safetensors file
mistral       grouped-query attention, heads of their own width, a sliding window longer than the texts; .bin shards
qwen2         biases that config.json does not mention, tied embeddings; safetensors shards
llava_v1_5    as the original LLaVA v1.5 is published: mlp2x_gelu and parts of the vision tower in .bin shards with the LLaMA

Each has expected.safetensors: int64 `ids.N`, float32 `logits.N` [ids, vocabulary]; llava_v1_5 also `patches.N`, the features
that stand for the id -200.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM)

from make_forms import fill, fresh, write

HERE = Path(__file__).resolve().parent
VOCABULARY = 40
SIZES = dict(vocab_size=VOCABULARY, hidden_size=24, intermediate_size=36, num_hidden_layers=2)
LENGTHS = [1, 9, 23]
IMAGE = -200


def main():
    torch.manual_seed(17)
    decoder("llama_biases", LlamaForCausalLM, LlamaConfig(
        **SIZES, num_attention_heads=4, num_key_value_heads=2, attention_bias=True, mlp_bias=True,
        rope_scaling={"rope_type": "linear", "factor": 4.0}))
    decoder("mistral", MistralForCausalLM, MistralConfig(
        **SIZES, num_attention_heads=4, num_key_value_heads=1, head_dim=8, rope_theta=1e6, sliding_window=32),
        safe_serialization=False, max_shard_size="16KB")
    decoder("qwen2", Qwen2ForCausalLM, Qwen2Config(
        **SIZES, num_attention_heads=6, num_key_value_heads=3, rope_theta=1e6, tie_word_embeddings=True,
        sliding_window=8, use_sliding_window=False), max_shard_size="16KB")
    llava(HERE / "forms/llava_v1_5")


@torch.no_grad()
def decoder(name, model, config, **saving):
    folder = HERE / "forms" / name
    fresh(folder)
    made = model(config)
    fill(made)
    made.save_pretrained(folder, **saving)
    (folder / "generation_config.json").unlink(missing_ok=True)
    read = model.from_pretrained(folder, attn_implementation="eager").eval()
    expected = {}
    for n, ids in enumerate(texts()):
        expected[f"ids.{n}"] = ids
        expected[f"logits.{n}"] = read(input_ids=ids[None]).logits[0].contiguous()
    save_file(expected, folder / "expected.safetensors")


@torch.no_grad()
def llava(folder):
    fresh(folder)
    width = 10
    config = LlamaConfig(**SIZES, num_attention_heads=4)
    llama = LlamaForCausalLM(config).eval()
    projector = torch.nn.Sequential(torch.nn.Linear(width, 24), torch.nn.GELU(), torch.nn.Linear(24, 24))
    for part in (llama, projector):
        fill(part)
    tensors = dict(llama.state_dict())
    tensors |= {f"model.mm_projector.{name}": value for name, value in projector.state_dict().items()}
    tower = "model.vision_tower.vision_tower.vision_model."
    tensors |= {tower + "embeddings.class_embedding": torch.randn(width), tower + "pre_layrnorm.weight": torch.ones(width)}
    tensors = {name: value.half() for name, value in tensors.items()}
    for part, prefix in ((llama, ""), (projector, "model.mm_projector.")):
        part.load_state_dict({name: tensors[prefix + name].float() for name in part.state_dict()})
    shards(folder, tensors)
    write(folder / "config.json", config.to_dict() | {
        "model_type": "llava", "architectures": ["LlavaLlamaForCausalLM"], "torch_dtype": "float16", "image_aspect_ratio": "pad",
        "mm_hidden_size": width, "mm_projector_type": "mlp2x_gelu", "mm_use_im_start_end": False, "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch", "mm_vision_tower": "openai/clip-vit-large-patch14-336", "use_mm_proj": True})
    expected = {}
    for n, ids in enumerate(texts()):
        patches = torch.randn(5, width)
        place = len(ids) // 2
        words = llama.model.embed_tokens(ids)
        embedded = torch.cat([words[:place], projector(patches), words[place:]])
        expected[f"ids.{n}"] = torch.cat([ids[:place], torch.tensor([IMAGE]), ids[place:]])
        expected[f"patches.{n}"] = patches
        expected[f"logits.{n}"] = llama(inputs_embeds=embedded[None]).logits[0].contiguous()
    save_file(expected, folder / "expected.safetensors")


def shards(folder, tensors):
    """Two .bin files with an index, as transformers wrote them."""
    names = list(tensors)
    half = len(names) // 2
    where = {}
    for n, part in enumerate([names[:half], names[half:]], start=1):
        file = f"pytorch_model-{n:05}-of-00002.bin"
        torch.save({name: tensors[name] for name in part}, folder / file)
        where |= {name: file for name in part}
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    write(folder / "pytorch_model.bin.index.json", {"metadata": {"total_size": size}, "weight_map": where})


def texts():
    return [torch.randint(0, VOCABULARY, (length,)) for length in LENGTHS]


if __name__ == "__main__":
    main()
