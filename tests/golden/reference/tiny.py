"""Tiny random models and their tokenizers, in the layout of published checkpoints."""

import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, LlamaConfig, LlamaForCausalLM, LlamaTokenizer
from transformers.models.clip.tokenization_clip import bytes_to_unicode

BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def llama_tokenizer(folder):
    tokenizer = LlamaTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.unk_token
    return tokenizer


def make_llama(folder, size, texts):
    """LlamaForCausalLM in two shards; sentencepiece BPE with byte fallback."""
    _clean(folder)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, model_type="bpe", vocab_size=size["vocab"],
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, num_threads=1, minloglevel=2)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    token = lambda content: {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": False,
                             "rstrip": False, "single_word": False}
    _write(folder / "tokenizer_config.json", {
        "add_bos_token": True, "add_eos_token": False, "bos_token": token("<s>"), "clean_up_tokenization_spaces": False,
        "eos_token": token("</s>"), "model_max_length": 2048, "pad_token": None, "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer", "unk_token": token("<unk>")})
    config = LlamaConfig(
        vocab_size=size["vocab"], hidden_size=size["hidden"], intermediate_size=size["inter"],
        num_hidden_layers=size["layers"], num_attention_heads=size["heads"], rms_norm_eps=size["eps"], pad_token_id=0)
    llama = LlamaForCausalLM(config)
    _fill(llama, gain=size["gain"])
    llama.save_pretrained(folder, max_shard_size=size["shard"])
    # Defaults only: what the model needs stands in config.json.
    (folder / "generation_config.json").unlink(missing_ok=True)


def make_clip(folder, size, texts):
    """CLIPModel; end-of-text is not the largest id, so the legacy pooling would give another answer."""
    _clean(folder)
    vocab, merges = _byte_pairs(texts, size["merges"])
    _write(folder / "vocab.json", vocab)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    _write(folder / "tokenizer_config.json", {
        "add_prefix_space": False, "bos_token": BOS, "do_lower_case": True, "eos_token": EOS, "errors": "replace",
        "model_max_length": size["max_pos"], "pad_token": EOS, "tokenizer_class": "CLIPTokenizer", "unk_token": EOS})
    config = CLIPConfig(
        text_config=dict(
            vocab_size=len(vocab), hidden_size=size["t_hidden"], intermediate_size=2 * size["t_hidden"],
            num_hidden_layers=size["t_layers"], num_attention_heads=size["t_heads"], projection_dim=size["proj"],
            max_position_embeddings=size["max_pos"], bos_token_id=vocab[BOS], eos_token_id=vocab[EOS], pad_token_id=vocab[EOS]),
        vision_config=dict(
            hidden_size=size["v_hidden"], intermediate_size=2 * size["v_hidden"], num_hidden_layers=size["v_layers"],
            num_attention_heads=size["v_heads"], image_size=size["image_size"], patch_size=size["patch"],
            projection_dim=size["proj"]),
        projection_dim=size["proj"])
    clip = CLIPModel(config)
    _fill(clip, gain=1.5)
    clip.save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": size["resize"]}, crop_size={"height": size["image_size"], "width": size["image_size"]},
    ).save_pretrained(folder)


def make_projector(folder, clip_width, llama_width):
    _clean(folder)
    weights = {"model.mm_projector.weight": torch.randn(llama_width, clip_width) * 0.1,
               "model.mm_projector.bias": torch.randn(llama_width) * 0.02}
    torch.save(weights, folder / "mm_projector.bin")
    save_file(weights, folder / "mm_projector.safetensors")


def make_score_nets(path, sizes):
    save_file({name: torch.randn(1, width) * 0.4 for name, width in sizes.items()}, path)


def _fill(model, gain):
    """Larger than the usual initial values, so that samples differ and attention is not flat."""
    for name, p in model.named_parameters():
        with torch.no_grad():
            if "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.1 * torch.randn_like(p))
            elif p.dim() == 1:
                p.copy_(0.1 * torch.randn_like(p))
            elif "embed" in name and p.dim() == 2:
                p.copy_(0.5 * torch.randn_like(p))
            elif p.dim() > 1:
                p.copy_(gain * torch.randn_like(p) / p[0].numel() ** 0.5)


def _byte_pairs(texts, count):
    """A byte-level BPE with the end-of-word mark: ({token: id}, [(left, right)])"""
    letters = bytes_to_unicode()
    words = Counter()
    for word in re.findall(r"'s|'t|'re|[a-z]+|[0-9]|[^\sa-z0-9]+", " ".join(texts).lower()):
        units = [letters[b] for b in word.encode()]
        words[tuple(units[:-1] + [units[-1] + "</w>"])] += 1
    base = list(letters.values())
    tokens = base + [b + "</w>" for b in base] + [BOS, EOS]
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        tokens.append("".join(best))
        words = Counter({_merge(word, best): n for word, n in words.items()})
    return {t: i for i, t in enumerate(tokens)}, merges


def _merge(word, pair):
    out, i = [], 0
    while i < len(word):
        if word[i:i + 2] == pair:
            out.append("".join(pair))
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def _clean(folder):
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)


def _write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")
