"""How others read the same annotations: `read.py PEER FILE FOLDER` says seconds (without imports) and peak memory as JSON."""

import json
import resource
import sys
import time

peer, file, folder = sys.argv[1:]


def seconds(work):
    begun = time.perf_counter()
    rows = work()
    return time.perf_counter() - begun, rows


def python_json():
    with open(file) as text:
        return len(json.load(text))


def with_orjson():
    import orjson

    def work():
        with open(file, "rb") as text:
            return len(orjson.loads(text.read()))
    return work


def with_polars():
    import polars
    return lambda: polars.read_json(file).height


def with_datasets():
    import datasets
    datasets.disable_progress_bars()
    return lambda: datasets.load_dataset("json", data_files=file, cache_dir=folder)["train"].num_rows


work = {
    "json": lambda: python_json, "orjson": with_orjson, "polars": with_polars, "datasets": with_datasets,
}[peer]()
took, rows = seconds(work)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"seconds": took, "rows": rows, "peak_mb": peak}))
