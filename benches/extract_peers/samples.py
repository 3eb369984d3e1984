"""The samples as every peer reads them: an image file and the text of the whole conversation."""

import json
import pathlib


def samples(data, most_images=None):
    """(path of the image, text) of each record; those of the first `most_images` different images, if so wanted."""
    data = pathlib.Path(data)
    wanted, found = set(), []
    for record in json.loads((data / "annotations.json").read_text()):
        name = record["image"]
        if name not in wanted and most_images and len(wanted) == most_images:
            continue
        wanted.add(name)
        found.append((str(data / "images" / name), text_of(record["conversations"])))
    return found


def text_of(turns):
    written = []
    for turn in turns:
        human, value = turn["from"] == "human", turn["value"]
        if human and "<image>" in value:
            value = value.replace("<image>", "").strip()
        written.append(f"{'USER' if human else 'ASSISTANT'}: {value} ")
    return "".join(written).strip()
