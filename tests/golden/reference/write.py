"""Write inputs and golden outputs of a set, in the layout that check.py reads."""

import io
import json

import numpy
import torch
from PIL import Image
from safetensors.torch import save_file

from . import data, judge, stage1, stage2, tiny
from .check import new_vlm, normed_scores, stage1_features, weighted_loss_case
from .clip import Clip, decode
from .text import IGNORE, STOP, prompt, sample_text, tokenise


def inputs(root, hyper):
    """Models, records and images. Everything random follows from hyper["seed"]."""
    torch.manual_seed(hyper["seed"])
    folder = root / "data"
    notes = data.make_images(folder / "images")
    records, quirks, extra, extra_quirks = data.records()
    dump(folder / "images_notes.json", notes)
    dump(folder / "llava_instruct.json", records)
    dump(folder / "llava_extra.json", extra)
    dump(folder / "quirks.json", {"llava_instruct": quirks, "llava_extra": extra_quirks})
    words = [p.replace(STOP, "").replace("<unk>", "") for p in map(prompt, records)]
    tiny.make_llama(root / "llama", {**hyper["llama"], "vocab": hyper["vocab"]}, words)
    tiny.make_clip(root / "clip", hyper["clip"], [sample_text(r) for r in records])
    tiny.make_projector(root / "projector", hyper["clip"]["v_hidden"], hyper["llama"]["hidden"])
    tiny.make_score_nets(root / "score_net_init.safetensors", {"clip": 2 * hyper["clip"]["proj"], "scores": 3})
    return records, extra


def outputs(root, hyper, records, extra):
    golden = root / "golden"
    texts = {str(i): {"image": r.get("image"), "text": sample_text(r)} for i, r in enumerate(records)}
    dump(golden / "1_preprocess/text_data.json", texts)
    _judge(root, len(records))
    patches = _clip(root, records)
    tokens = _tokens(root, records, extra, hyper["stage1"]["max_len"])
    _stage1(root, hyper, records, tokens, patches)
    _stage2(root, hyper, len(records))
    _units(root, len(records))


def _clip(root, records):
    clip, out = Clip(root / "clip"), root / "golden/2_clip"
    names = sorted(p.name for p in (root / "data/images").iterdir())
    pixels = {n: clip.pixels(root / "data/images" / n) for n in names}
    save(out / "pixel_values.safetensors", pixels)
    padded = ["photo_420.jpg", "wide.png"]
    save(out / "pixel_values_pad.safetensors", {n: clip.padded_pixels(root / "data/images" / n) for n in padded})
    decoded = {n: torch.from_numpy(numpy.array(decode(root / "data/images" / n))) for n in names}
    # Four whole images; of all others image_info.json has sums and two pixels.
    save(out / "decoded_rgb_odd.safetensors", {n: decoded[n] for n in ("cmyk.jpg", "gray16.png", "palette_trns.png", "rgba.png")})
    dump(out / "image_info.json", {n: _image_info(root / "data/images" / n, d) for n, d in decoded.items()})
    ids = [clip.text_ids(sample_text(r)) for r in records]
    dump(out / "clip_text_input_ids.json", dict(enumerate(ids)))
    width = clip.model.config.projection_dim * 2
    rows, scores = torch.full((len(records), width), torch.nan), {}
    for i, r in enumerate(records):
        scores[i] = None
        if "image" in r:
            rows[i], scores[i] = clip.features(pixels[r["image"]], ids[i])
    save(out / "clip_features.safetensors", {"features": rows})
    dump(out / "llava_clipscore.json", scores)
    two = [records[i]["image"] for i in (0, 1)]
    dump(out / "clip_intermediate.json", {"images": two})
    save(out / "clip_intermediate.safetensors", {
        "images_hidden_minus2_nocls": torch.stack([clip.patches(pixels[n]) for n in two]),
        "text_features_raw_0": clip.text_feature(ids[0]), "image_features_raw_0": clip.image_feature(pixels[two[0]])})
    _scores(root, clip, ids, rows, scores)
    return [clip.patches(pixels[r["image"]]) if "image" in r else torch.zeros(0) for r in records]


def _judge(root, count):
    completions = list(judge.completions(count))
    for number, completion in enumerate(completions):
        dump(root / f"data/gpt_responses/gpt-3.5-turbo-1106/{number}.json", completion)
    marks = [judge.mark(c["choices"][0]["message"]["content"]) for c in completions]
    dump(root / "golden/3_gpt/raw_score.json", dict(enumerate(marks)))
    dump(root / "golden/3_gpt/processed_score.json", dict(enumerate(judge.filled(marks))))


def _image_info(path, rgb):
    with Image.open(path) as image:
        mode, size = image.mode, image.size
    return {"mode": mode, "size_wh": list(size), "rgb_sum": rgb.long().sum((0, 1)).tolist(),
            "rgb_pixel_0_0": rgb[0, 0].tolist(), "rgb_pixel_mid": rgb[size[1] // 2, size[0] // 2].tolist()}


def _scores(root, clip, ids, rows, scores):
    """What the stages read: the golden features, completed with made-up values where there is no image."""
    folder, rng = root / "data/scores", torch.Generator().manual_seed(11)
    rows, scores = rows.clone(), dict(scores)
    for i in range(len(rows)):
        if rows[i].isnan().any():
            image = torch.randn(rows.shape[1] // 2, generator=rng)
            text = clip.text_feature(ids[i])[0]
            rows[i] = torch.cat([image / image.norm(), text / text.norm()])
            scores[i] = round(float(torch.rand(1, generator=rng)) * 0.4 - 0.2, 6)
    folder.mkdir(parents=True, exist_ok=True)
    # Through a buffer: the archive's inner folder is then "archive", not the file's name.
    buffer = io.BytesIO()
    torch.save({str(i): row.clone() for i, row in enumerate(rows)}, buffer)
    (folder / "llava_clip_feature.pt").write_bytes(buffer.getvalue())
    save(folder / "llava_clip_feature.safetensors", {"features": rows})
    dump(folder / "llava_clipscore.json", scores)
    reward = [round(v, 7) for v in torch.randn(len(rows), generator=rng, dtype=torch.float64).tolist()]
    dump(folder / "llava_imagereward.json", dict(enumerate(reward)))
    judge = torch.randint(4, 21, (len(rows),), generator=rng).tolist()
    dump(folder / "gpt-3.5-turbo-1106/processed_score.json", {i: j / 2 for i, j in enumerate(judge)})


def _tokens(root, records, extra, max_length):
    out, tokenizer = root / "golden/4_tokens", tiny.llama_tokenizer(root / "llama")
    dump(out / "prompts.json", [prompt(r) for r in records])
    own = _token_file(out / "samples.json", records, tokenizer, max_length)
    _token_file(out / "extra.json", extra, tokenizer, max_length)
    dump(out / "strings.json", [{"text": s, "input_ids": tokenizer(s).input_ids} for s in data.STRINGS])
    chosen = [0, 2, 6, 13, 15]
    ids, labels, mask = stage1.collate([own[i] for i in chosen], max_length)
    dump(out / "collated_batch.json", {"unique_indices": chosen, "input_ids": ids.tolist(), "labels": labels.tolist(),
                                       "attention_mask": mask.tolist()})
    return own


def _token_file(path, records, tokenizer, max_length):
    rows = [(r, tokenise(r, tokenizer, max_length)) for r in records]
    dump(path, [{"unique_idx": i, "has_image": "image" in r, "input_ids": ids, "labels": labels, "mismatch_warning": bad}
                for i, (r, (ids, labels, bad)) in enumerate(rows)])
    return [(ids, labels) for _, (ids, labels, _) in rows]


def _batches(count, hyper, tokens):
    """A fresh order per epoch; the first seed for which every batch holds a label token."""
    def one(seed):
        rng = torch.Generator().manual_seed(seed)
        orders = [torch.randperm(count, generator=rng).tolist() for _ in range(hyper["epochs"])]
        return [o[at:at + hyper["batch"]] for o in orders for at in range(0, count, hyper["batch"])]

    def trains(batch):
        return any(label != IGNORE for i in batch for label in tokens[i][1][:hyper["max_len"]])

    return next(b for b in map(one, range(hyper["seed"], hyper["seed"] + 1000)) if all(map(trains, b)))


def _stage1(root, hyper, records, tokens, patches):
    out, h = root / "golden/5_stage1", hyper["stage1"]
    batches = _batches(len(records), h, tokens)
    dump(out / "batches.json", batches)
    for name, setting, limit in [("clip_lr2e-3", "clip", 1.0), ("scores_lr2e-3_noclip", "scores", 0.0)]:
        features = stage1_features(root, setting, len(records))
        run, first = stage1.train(new_vlm(root, setting), tokens, patches, features, batches, 2e-3, limit, h)
        dump(out / f"{name}.json", {"unique_idx_of_logits": batches[0][0], **run})
        if setting == "clip":
            length = int(first["new_mask"][0].sum())
            # The first 16 positions keep the file small; the losses cover the rest.
            save(out / "step0_logits.safetensors", {"logits": first["logits"][0, :16].clone(),
                                                    "inputs_embeds": first["embeds"][0, :length].clone()})
            dump(out / "step0_batch.json", {
                "collated_step0": {"input_ids": first["ids"].tolist(), "labels": first["labels"].tolist(),
                                   "attention_mask": first["mask"].tolist()},
                "expanded_step0": {"labels": first["new_labels"].tolist(), "attention_mask": first["new_mask"].tolist(),
                                   "position_ids": None}})


def _stage2(root, hyper, count):
    out, h, cases = root / "golden/6_stage2", hyper["stage2"], {}
    clip = stage1_features(root, "clip", count)
    for name, case in [("clip_lr2e-3", "clip_fp32"), ("scores_lr2e-3_noclip", "scores_fp32_order_consistent")]:
        run = json.loads((root / f"golden/5_stage1/{name}.json").read_text())
        features = stage1_features(root, case.split("_")[0], count)
        difficulties = stage2.difficulty(features, torch.tensor([run["final_score_net"]]))
        dump(out / f"difficulty_{case}.json", difficulties)
        cases[case] = stage2.report(clip, difficulties, h["filter_num"], h["k"], h["gamma"])
    dump(out / "selection_small.json", {"filter_num": h["filter_num"], "gamma": h["gamma"], "k_nearest": h["k"], "cases": cases})
    for name, case in _synthetic().items():
        features, difficulty, filter_num, k, gamma, note = case
        save(out / f"{name}_input.safetensors", {"features": features, "difficulty": difficulty})
        result = stage2.report(features.float(), dict(enumerate(difficulty.tolist())), filter_num, k, gamma)
        dump(out / f"{name}_golden.json", {"N": len(features), "D": features.shape[1], "filter_num": filter_num, "gamma": gamma,
                                           "k_nearest": k, "note": note, **result})


def _synthetic():
    """Small whole numbers as features: their dot products are exact in float32 in any order of summing."""
    rng = torch.Generator().manual_seed(5)
    whole = lambda n, d: torch.randint(-9, 10, (n, d), generator=rng).to(torch.int8)
    spread = lambda n: torch.randn(n, generator=rng)
    copies = whole(12, 8).repeat(4, 1)
    return {
        "ties": (whole(60, 12), torch.randint(-4, 5, (60,), generator=rng) / 4, 20, 4, 1.0, "tied difficulties: the smallest index first"),
        "negative": (whole(50, 10), -spread(50).abs() - 0.1, 20, 5, 1.0, "all difficulties negative: the neighbours rise"),
        "duplicates": (copies, spread(48), 16, 5, 1.0, "every row four times: ties in similarity, the smallest index first"),
        "exhausted": (whole(14, 8), spread(14), 14, 6, 1.0, "all are picked: in the end fewer than k are left, and as many are penalised"),
        "gamma": (whole(40, 10), spread(40), 12, 4, 0.5, "half the penalty"),
    }


def _units(root, count):
    out, rng, tensors = root / "golden/7_units", torch.Generator().manual_seed(3), {}
    dump(out / "normed_scores.json", {n: dict(enumerate(v)) for n, v in normed_scores(root, count).items()})
    for name, (b, length, v, f), spread in [
        ("plain", (4, 9, 17, 6), 1.0), ("single", (1, 6, 11, 5), 1.0), ("sharp", (5, 8, 13, 8), 4.0),
        ("one_masked", (3, 7, 12, 4), 1.0), ("underflow", (3, 7, 12, 4), 1.0),
    ]:
        case = {"logits": torch.randn(b, length, v, generator=rng), "features": torch.randn(b, f, generator=rng),
                "score_net": torch.randn(1, f, generator=rng) * spread,
                "labels": torch.randint(0, v, (b, length), generator=rng)}
        case["labels"][:, :2] = IGNORE
        case["labels"][-1, -2:] = IGNORE
        if name == "one_masked":
            case["labels"][1] = IGNORE
        if name == "underflow":  # a labelled token of probability 0 in float32: the loss stays finite
            case["logits"][0, 3, case["labels"][0, 4]] = -200.0
        case |= weighted_loss_case(case["logits"], case["labels"], case["features"], case["score_net"])
        tensors |= {f"{name}.{k}": t for k, t in case.items()}
    save(out / "weighted_loss.safetensors", tensors)


def dump(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def save(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({n: t.contiguous() for n, t in tensors.items()}, path)
