"""The similarity of image and text by Data-Juicer's `image_text_similarity_filter`, with its own dataset and operator.

    python data_juicer_filter.py MODEL DATA OUT [IMAGES]
"""

import json
import os
import sys
import time

BEGUN = time.perf_counter()

import numpy
import torch
from data_juicer.core.data import NestedDataset
from data_juicer.ops.filter.image_text_similarity_filter import ImageTextSimilarityFilter
from data_juicer.utils.constant import Fields, StatsKeys
from data_juicer.utils.mm_utils import SpecialTokens

from samples import samples


def main():
    folder, data, out = sys.argv[1:4]
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    found = samples(data, int(sys.argv[4]) if len(sys.argv) > 4 else None)
    rows = [{"text": f"{SpecialTokens.image} {text} {SpecialTokens.eoc}", "images": [path]} for path, text in found]
    dataset = NestedDataset.from_list(rows)
    operator = ImageTextSimilarityFilter(hf_clip=folder, min_score=-1.0, max_score=1.0)
    dataset = dataset.add_column(name=Fields.stats, column=[{}] * dataset.num_rows)
    ready = time.perf_counter()
    dataset = dataset.map(operator.compute_stats, num_proc=1, with_rank=False)
    scores = [stats[StatsKeys.image_text_similarity][0] for stats in dataset[Fields.stats]]
    computed = time.perf_counter()
    numpy.save(out, numpy.array(scores, numpy.float32)[:, None])
    print(json.dumps({"rows": len(scores), "load": ready - BEGUN, "compute": computed - ready}))


main()
