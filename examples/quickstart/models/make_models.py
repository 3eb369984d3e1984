"""Makes the tiny CLIP and the tiny LLaVA of the quickstart: tokenizers and models, trained on samples of other seeds.

    cargo run --release -p trommel-quickstart --example dump -- 101 8000 DIR
    python make_models.py DIR

Needs torch, transformers 4.37.2, tokenizers, sentencepiece, Pillow. CPU only, a few minutes; writes beside itself.
"""

import argparse
import io
import json
import random
import time
from pathlib import Path

import sentencepiece
import torch
from llava import SYSTEM, ids_and_labels, load_images, load_records, patch_features, prompt, sample_text, token_losses
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizerFast,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaTokenizer,
)
from transformers.models.clip.tokenization_clip import bytes_to_unicode

HERE = Path(__file__).parent
SEED = 7
SIZE, PATCH = 48, 16  # pixels: a 3 x 3 grid of patches, one for each cell of the drawn grid
START, END = "<|startoftext|>", "<|endoftext|>"


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def make_clip_tokenizer(texts, folder):
    """CLIP's own kind of byte-pair encoding: all bytes, all bytes at a word's end, merges, then the two marks."""
    letters = list(bytes_to_unicode().values())
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Lowercase()
    bpe.pre_tokenizer = pre_tokenizers.Whitespace()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=400, min_frequency=20, end_of_word_suffix="</w>", show_progress=False))
    merges = [m if isinstance(m, str) else " ".join(m) for m in json.loads(bpe.to_str())["model"]["merges"]]
    words = letters + [letter + "</w>" for letter in letters] + [m.replace(" ", "") for m in merges] + [START, END]
    write_json(folder / "vocab.json", {word: number for number, word in enumerate(words)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(m + "\n" for m in merges))
    marks = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    write_json(folder / "special_tokens_map.json", marks)
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "add_prefix_space": False, "errors": "replace",
         "model_max_length": 77, **marks},
    )  # fmt: skip
    half = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}
    write_json(
        folder / "preprocessor_config.json",
        {"feature_extractor_type": "CLIPFeatureExtractor", "do_resize": True, "size": SIZE, "resample": 3,
         "do_center_crop": True, "crop_size": SIZE, "do_normalize": True, **half},
    )  # fmt: skip
    return CLIPTokenizerFast.from_pretrained(folder), CLIPImageProcessor.from_pretrained(folder)


def make_llama_tokenizer(texts, folder):
    """Sentencepiece as LLaMA has it: byte fallback, dummy prefix, spaces kept."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, model_type="bpe", vocab_size=560, byte_fallback=True,
        character_coverage=1.0, normalization_rule_name="identity", remove_extra_whitespaces=False,
        split_digits=True, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, num_threads=1, minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    marks = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", {**marks, "pad_token": "<unk>"})
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "model_max_length": 512,
         "clean_up_tokenization_spaces": False, "sp_model_kwargs": {}, **marks},
    )  # fmt: skip
    return LlamaTokenizer.from_pretrained(folder)


def train_clip(clip, tokenizer, pixels, texts, steps, batch):
    """Contrastive: in a batch of pictures and texts, which belong together?"""
    encoded = [tokenizer(text, truncation=True, max_length=77).input_ids for text in texts]
    optimizer = torch.optim.AdamW(clip.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        # Equal texts in one batch would be each other's false negatives.
        picks = list({texts[i]: i for i in random.sample(range(len(texts)), batch)}.values())
        rows = [torch.tensor(encoded[i]) for i in picks]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=tokenizer.eos_token_id)
        loss = clip(input_ids=ids, pixel_values=pixels[picks], return_loss=True).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 25 == 0 or step + 1 == steps:
            print(f"clip step {step} loss {loss.item():.3f} of {torch.tensor(len(picks)).log():.2f}", flush=True)


def train_llava(llama, projector, samples, kinds, steps, batch):
    """Language model and projector together, on the plain mean over label tokens."""
    parameters = [*llama.parameters(), *projector.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=4e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        picks = random.sample(range(len(samples)), batch)
        sums, counts = token_losses(llama, projector, [samples[i] for i in picks])
        loss = sums.sum() / counts.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 25 == 0 or step + 1 == steps:
            mean = {k: [sums[j].item() / counts[j].item() for j, i in enumerate(picks) if kinds[i] == k] for k in set(kinds)}
            shown = {k: round(sum(v) / len(v), 2) for k, v in sorted(mean.items()) if v}
            print(f"llava step {step} loss {loss.item():.3f} {shown}", flush=True)


def save(model, folder):
    model.half().save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    model.float()  # the rounded weights, as a user will load them


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path, help="folder that the dump example wrote")
    arguments.add_argument("--clip-steps", type=int, default=200)
    arguments.add_argument("--llava-steps", type=int, default=500)
    arguments.add_argument("--out", type=Path, default=HERE)
    options = arguments.parse_args()
    begin = time.time()
    torch.set_num_threads(1)  # models this small lose time when threads wait for each other
    torch.manual_seed(SEED)
    random.seed(SEED)
    clip_folder, llama_folder = options.out / "clip", options.out / "llama"
    for folder in (clip_folder, llama_folder):
        folder.mkdir(parents=True, exist_ok=True)

    # Wrong answers are left out: the models are to find them odd, not to have learnt them.
    records = [r for r in load_records(options.data) if r["kind"] != "wrong"]
    pictured = [r for r in records if "image" in r]
    texts = [sample_text(r) for r in pictured]

    clip_tokenizer, processor = make_clip_tokenizer(texts, clip_folder)
    pixels = load_images(options.data, records, processor)
    layers = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    clip = CLIPModel(
        CLIPConfig(
            projection_dim=32,
            text_config={**layers, "num_hidden_layers": 2, "vocab_size": len(clip_tokenizer), "projection_dim": 32,
                         "bos_token_id": clip_tokenizer.bos_token_id, "eos_token_id": clip_tokenizer.eos_token_id,
                         "pad_token_id": clip_tokenizer.eos_token_id},
            vision_config={**layers, "num_hidden_layers": 3, "image_size": SIZE, "patch_size": PATCH, "projection_dim": 32},
        )
    )  # fmt: skip
    train_clip(clip, clip_tokenizer, pixels, texts, options.clip_steps, batch=64)
    save(clip, clip_folder)
    print(f"clip: {sum(p.numel() for p in clip.parameters())} parameters, {time.time() - begin:.0f} s", flush=True)

    tokenizer = make_llama_tokenizer([prompt(r).replace("<image>", "").replace("</s>", "") for r in records], llama_folder)
    patches = dict(zip((r["id"] for r in pictured), patch_features(clip, pixels)))
    samples = [(*ids_and_labels(r, tokenizer), patches.get(r["id"])) for r in records]
    print("longest sample:", max(len(ids) for ids, _, _ in samples) - 1 + (SIZE // PATCH) ** 2, "tokens;", "system sentence:", len(tokenizer(SYSTEM).input_ids))
    llama = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=96, intermediate_size=192, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
            vocab_size=tokenizer.vocab_size, max_position_embeddings=512, rms_norm_eps=1e-6,
            bos_token_id=1, eos_token_id=2, pad_token_id=0,
        )
    )  # fmt: skip
    projector = torch.nn.Linear(64, llama.config.hidden_size)
    train_llava(llama, projector, samples, [r["kind"] for r in records], options.llava_steps, batch=16)
    save(llama, llama_folder)
    torch.save({f"model.mm_projector.{k}": v.detach().clone() for k, v in projector.state_dict().items()}, options.out / "mm_projector.bin")
    print(f"llama: {sum(p.numel() for p in llama.parameters())} parameters; {time.time() - begin:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
