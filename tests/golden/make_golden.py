"""Make the golden data beside this file, or check the reference computation against recorded outputs.

    python make_golden.py               writes clip/ llama/ projector/ data/ golden/ ... and checks what it wrote
    python make_golden.py --check DIR   writes nothing; DIR has the same layout

README.md says what the files are and which versions made them.
"""

import argparse
import json
import shutil
import sys
import warnings
from pathlib import Path

import torch
import transformers

from reference import check, write

HYPER = {
    "seed": 42,
    "vocab": 448,
    "llama": {"hidden": 32, "inter": 64, "layers": 2, "heads": 4, "eps": 1e-6, "gain": 0.9, "shard": "100KB"},
    "clip": {"image_size": 28, "resize": 32, "patch": 14, "v_hidden": 16, "v_layers": 3, "v_heads": 2, "t_hidden": 16,
             "t_layers": 2, "t_heads": 2, "max_pos": 77, "proj": 12, "merges": 100, "legacy_eos": False, "legacy_size": False},
    "stage1": {"batch": 4, "epochs": 2, "max_len": 112, "seed": 42, "warmup_ratio": 0.03, "weight_decay": 0.0, "lrs": [2e-3]},
    "stage2": {"filter_num": 8, "gamma": 1.0, "k": 3},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=Path, metavar="DIR")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(2)
    if arguments.check:
        sys.exit(0 if check.run(arguments.check) else 1)
    here = Path(__file__).resolve().parent
    for folder in ("data", "golden"):
        shutil.rmtree(here / folder, ignore_errors=True)
    (here / "hyper.json").write_text(json.dumps(HYPER, indent=1) + "\n")
    write.outputs(here, HYPER, *write.inputs(here, HYPER))
    sys.exit(0 if check.run(here) else 1)


if __name__ == "__main__":
    main()
