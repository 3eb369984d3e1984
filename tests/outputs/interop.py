"""Reads what trommel wrote with the libraries that people use (`read FOLDER`), and writes for it to read (`write FOLDER`)."""

import io
import json
import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.ipc
import webdataset
from datasets import Dataset, DatasetInfo, Features, Image, Value, load_dataset
from datasets.table import InMemoryTable

COLUMNS = ["id", "image", "text", "conversations"]


def main():
    verb, folder = sys.argv[1], Path(sys.argv[2])
    {"read": read, "write": write}[verb](folder)
    print("done")


def expected(folder):
    """The rows by the annotations and images that they come from; `texts.json` has the texts."""
    texts = json.loads((folder / "texts.json").read_text())
    rows = []
    for record, text in zip(json.loads((folder / "data.json").read_text()), texts, strict=True):
        image = record.get("image")
        rows.append({
            "id": record["id"],
            "image": image and (folder / "images" / image).read_bytes(),
            "text": text,
            "conversations": record["conversations"],
        })
    return rows


def load(kind, **files):
    return load_dataset(kind, **files, split="train")


def same(what, found, wanted):
    found = list(found)
    assert found == wanted, f"{what}: {found} is not {wanted}"


def read(folder):
    rows = expected(folder)
    out = folder / "out"

    def with_image_of(row):
        """`image` of a row is a path, seen from the output's folder."""
        return {**row, "image": row["image"] and (out / row["image"]).read_bytes()}

    def picked(row):
        return {name: row[name] for name in COLUMNS}

    for kind, file in [("json", "lines.jsonl"), ("parquet", "linked.parquet"), ("arrow", "table.arrow")]:
        if kind == "arrow":
            read_rows = pyarrow.ipc.open_file(out / file).read_all().to_pylist()
        else:
            read_rows = load(kind, data_files=str(out / file))
        same(file, (picked(with_image_of(row)) for row in read_rows), rows)

    # `datasets` knows by the file alone that the column holds images.
    embedded = load("parquet", data_files=str(out / "embedded.parquet"))
    assert embedded.features["image"] == Image(), embedded.features
    assert embedded[0]["image"].size == (1, 1), embedded[0]
    raw = embedded.cast_column("image", Image(decode=False))
    same("embedded.parquet", ({**row, "image": row["image"] and row["image"]["bytes"]} for row in raw), rows)
    paths = [row["image"] and row["image"]["path"] for row in raw]
    same("paths", paths, [record.get("image") for record in json.loads((folder / "data.json").read_text())])

    # Lists are JSON texts in CSV.
    as_csv = [{**row, "conversations": json.loads(row["conversations"])} for row in load("csv", data_files=str(out / "values.csv"))]
    same("values.csv", (with_image_of(row) for row in as_csv), rows)
    table = pyarrow.csv.read_csv(out / "values.csv", parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))
    same("values.csv by pyarrow", table["text"].to_pylist(), [row["text"] for row in rows])

    without_text = [{k: v for k, v in row.items() if k != "text"} for row in rows]
    for file in ["share.json", "share_lines.jsonl"]:
        same(file, (with_image_of(row) for row in load("json", data_files=str(out / file))), without_text)
    roles = {"human": "user", "gpt": "assistant"}
    for file in ["messages.json", "messages_lines.jsonl"]:
        for row, wanted in zip(load("json", data_files=str(out / file)), rows, strict=True):
            turns = [{"role": roles[turn["from"]], "content": turn["value"]} for turn in wanted["conversations"]]
            same(file, row["messages"], turns)
            same(file, [(out / image).read_bytes() for image in row["images"]], [wanted["image"]] if wanted["image"] else [])

    shards = str(out / "shards" / "shards-000000.tar")

    def of_sample(image, text, rest):
        return {"id": rest["id"], "image": image, "text": text, "conversations": rest["conversations"]}

    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [f"{row:09}" for row in range(len(rows))], samples
    same("shards by webdataset", (
        of_sample(sample.get("png"), sample["txt"].decode(), json.loads(sample["json"])) for sample in samples
    ), rows)
    # `datasets` wants the same files in every sample.
    whole = load("webdataset", data_files=str(out / "pictured" / "*.tar")).cast_column("png", Image(decode=False))
    pictured = [row for row in rows if row["image"]]
    same("shards by datasets", (of_sample(s["png"]["bytes"], s["txt"], s["json"]) for s in whole), pictured)

    # As from the hub: the card says where the rows are.
    same("by the card", (picked(with_image_of(row)) for row in load(str(out))), rows)


def made(rows, features):
    """A dataset whose fingerprint is given: that of `Dataset.from_dict` takes a pickle of a table, which not all versions can."""
    features = Features(features)
    table = InMemoryTable(pyarrow.table(rows, schema=features.arrow_schema))
    return Dataset(table, info=DatasetInfo(features=features), fingerprint="-".join(rows))


def write(folder):
    import PIL.Image

    def png(shade):
        held = io.BytesIO()
        PIL.Image.new("L", (2, 2), shade).save(held, "png")
        return held.getvalue()

    images = [png(10), png(20), None]
    rows = {
        "id": ["a", "b", None],
        "caption": ["one\n\"two\"", "\u00e4\U0001f600", ""],
        "score": [0.1, -2.5, None],
        "count": [1, 2**40, -3],
        "tags": [["x", "y"], [], ["z"]],
        "picture": [{"bytes": bytes_of, "path": "p.png"} if bytes_of else None for bytes_of in images],
    }
    features = {
        "id": Value("string"),
        "caption": Value("string"),
        "score": Value("float64"),
        "count": Value("int64"),
        "tags": [Value("string")],
        "picture": Image(),
    }
    others = {name: values for name, values in rows.items() if name != "picture"}
    made(rows, features).to_parquet(str(folder / "theirs.parquet"))
    made(rows, features).save_to_disk(str(folder / "theirs"))
    made(others, {name: features[name] for name in others}).to_json(str(folder / "theirs.jsonl"), force_ascii=False)
    with webdataset.ShardWriter(str(folder / "theirs-%06d.tar"), maxcount=2, encoder=False, verbose=0) as shards:
        for row, image in enumerate(images):
            about = {"id": rows["id"][row], "tags": rows["tags"][row]}
            sample = {"__key__": f"{row:03}", "txt": rows["caption"][row].encode(), "json": json.dumps(about).encode()}
            shards.write(sample | ({"png": image} if image else {}))
    told = [{**{k: v[i] for k, v in rows.items()}, "picture": images[i] and images[i].hex()} for i in range(3)]
    (folder / "theirs.json").write_text(json.dumps(told))


main()
