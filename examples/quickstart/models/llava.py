"""What make_models.py and check.py share: records, the v1 prompt with its labels, and the LLaVA forward pass, in plain PyTorch."""

import functools
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
IMAGE_TOKEN, IGNORED = -200, -100


def load_records(folder):
    return json.loads((Path(folder) / "annotations.json").read_text())


def load_images(folder, records, processor):
    """Pixel values [n, 3, s, s] of the records that have an image.

    The pictures are square, so the processor's steps come down to a resize and a scaling (and take a tenth of its time).
    """
    side = processor.crop_size["height"]
    mean, std = torch.tensor(processor.image_mean), torch.tensor(processor.image_std)
    files = [Path(folder) / "images" / r["image"] for r in records if "image" in r]
    small = [Image.open(f).convert("RGB").resize((side, side), Image.Resampling.BICUBIC) for f in files]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in small]))
    return ((pixels / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def sample_text(record):
    """The text that CLIP reads: `USER: question ASSISTANT: answer ...`."""
    words = ""
    for turn in record["conversations"]:
        human = turn["from"] == "human"
        value = turn["value"].replace("<image>", "").strip() if human and "<image>" in turn["value"] else turn["value"]
        words += ("USER: " if human else "ASSISTANT: ") + value + " "
    return words.strip()


def prompt(record):
    """The v1 conversation: `<image>` moved to the front of its turn, answers closed by `</s>`."""
    text = SYSTEM + " "
    for turn in record["conversations"]:
        value = turn["value"]
        if "<image>" in value:
            value = ("<image>\n" + value.replace("<image>", "").strip()).strip()
        text += f"USER: {value} " if turn["from"] == "human" else f"ASSISTANT: {value}</s>"
    return text


@functools.lru_cache(maxsize=None)  # the same questions come again and again
def token_ids(text, tokenizer):
    """Ids with one leading <s>; IMAGE_TOKEN stands for each `<image>`."""
    first, *rest = [tokenizer(part).input_ids for part in text.split("<image>")]
    for part in rest:
        first = first + [IMAGE_TOKEN] + part[1:]
    return first


def ids_and_labels(record, tokenizer):
    """Only answers are learnt: all else has the label IGNORED."""
    text = prompt(record)
    ids = token_ids(text, tokenizer)
    labels, place = list(ids), 1
    labels[0] = IGNORED
    for turn in text.split("</s>"):
        parts = turn.split(" ASSISTANT: ")
        if len(parts) != 2:
            break
        # Minus two: the <s> of its own, and the space at the end, which joins the answer's first word.
        question = len(token_ids(parts[0] + " ASSISTANT: ", tokenizer)) - 2
        labels[place : place + question] = [IGNORED] * question
        place += len(token_ids(turn, tokenizer))
    if place != len(ids):
        raise ValueError(f"question and answer do not add up to the tokens of {text!r}")
    return torch.tensor(ids), torch.tensor(labels)


def patch_features(clip, pixels):
    """Second-last hidden state of the vision tower without the class token: [n, patches, width]."""
    with torch.no_grad():
        return clip.vision_model(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]


def token_losses(llama, projector, batch):
    """Summed cross entropy [B] and number of label tokens [B] of (ids, labels, patches or None) triples."""
    rows, targets = [], []
    for ids, labels, patches in batch:
        places = (ids == IMAGE_TOKEN).nonzero().flatten().tolist()
        if not places:
            rows.append(llama.model.embed_tokens(ids))
            targets.append(labels)
            continue
        at = places[0]
        before, after = llama.model.embed_tokens(ids[:at]), llama.model.embed_tokens(ids[at + 1 :])
        rows.append(torch.cat([before, projector(patches), after]))
        targets.append(torch.cat([labels[:at], torch.full((len(patches),), IGNORED), labels[at + 1 :]]))
    # Padding stands on the right, where causal attention never looks back at it.
    inputs = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    labels = torch.nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=IGNORED)
    hidden = llama.model(inputs_embeds=inputs, use_cache=False).last_hidden_state[:, :-1]
    labels = labels[:, 1:]
    learnt = labels != IGNORED  # the wide output layer is worth computing only there
    losses = torch.zeros(labels.shape)
    losses[learnt] = torch.nn.functional.cross_entropy(llama.lm_head(hidden[learnt]), labels[learnt], reduction="none")
    return losses.sum(1), learnt.sum(1)
