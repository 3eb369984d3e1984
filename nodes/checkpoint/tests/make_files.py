"""Makes the checkpoint files that tests/reading.rs reads. Needs torch and safetensors; run: python make_files.py

Every value follows from its place (0, 1, 2, ...), so that the tests can say what to expect without a second file.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parent / "files"


def count(*shape, dtype=torch.float32):
    size = 1
    for extent in shape:
        size *= extent
    return torch.arange(size).reshape(shape).to(dtype)


def save(value, name, **options):
    torch.save(value, OUT / name, **options)


def every_dtype():
    kinds = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64"
    return {kind: count(2, 3, dtype=getattr(torch, kind)) for kind in kinds.split()}


def views():
    base = count(4, 6)
    return {
        "base": base,
        "transposed": base.t(),
        "column": base[:, 2],
        "inner": base[1:3, 1:4],
        "last_row": base[3],
        "every_second": base[::2],
        "expanded": torch.tensor([7.0, 8.0]).expand(3, 2),
        "scalar": torch.tensor(5.0),
        "empty": torch.zeros(0, 4),
        "permuted": count(2, 3, 4).permute(2, 0, 1),
    }


class Touch:
    """A pickle that would create a file if anything in it were called."""

    def __reduce__(self):
        return (open, ("pickle-was-executed", "w"))


def main():
    OUT.mkdir(exist_ok=True)
    save(every_dtype(), "dtypes.bin")
    save_file(every_dtype(), OUT / "dtypes.safetensors", metadata={"format": "pt"})
    save(views(), "views.pt")
    save(
        {
            "epoch": 3,
            "rate": 1e-3,
            "tag": None,
            "model": {"layer": {"weight": count(2, 2)}, 7: count(1)},
            "list": [count(2), "text", (torch.nn.Parameter(count(3)), True)],
        },
        "nested.pt",
    )
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2, bias=False))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(count(*parameter.shape))
    save(module.state_dict(), "state_dict.pth")
    save({"float32": count(2, 3), "int64": count(1).long()}, "protocol4.pt", pickle_protocol=4)
    table = count(54, 3)  # enough rows that the pickle numbers more than 256 objects
    save({str(i): row for i, row in enumerate(table)}, "rows.pt")
    save({"weight": count(2)}, "legacy.pt", _use_new_zipfile_serialization=False)
    save({"weight": count(2), "other": Touch()}, "executes.pt")
    save(torch.nn.Sequential(), "whole_module.pt")
    save(count(2), "bare_tensor.pt")
    for folder, ending in [("shards_bin", "bin"), ("shards_safetensors", "safetensors")]:
        (OUT / folder).mkdir(exist_ok=True)
        stem = "pytorch_model" if ending == "bin" else "model"
        names = [f"{stem}-0000{i}-of-00002.{ending}" for i in (1, 2)]
        # "second" stands in both shards; the index says that the second one counts.
        parts = [{"first": count(2), "second": count(3)}, {"second": count(3) + 10, "third": count(1)}]
        for name, part in zip(names, parts):
            (torch.save if ending == "bin" else save_file)(part, OUT / folder / name)
        where = {"first": names[0], "second": names[1], "third": names[1]}
        index = {"metadata": {"total_size": 24}, "weight_map": where}
        (OUT / folder / f"{stem}.{ending}.index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
