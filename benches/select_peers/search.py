"""The 64 nearest rows of some rows by faiss, exactly, and the rate of PyTorch's matrix product for the same sizes.

    search.py VECTORS.f32 DIM          prints JSON
"""

import json
import os
import sys
import time

import faiss
import numpy as np
import torch

QUERIES = 2_000
BATCH = 96


def main():
    path, dim = sys.argv[1], int(sys.argv[2])
    vectors = np.fromfile(path, dtype=np.float32).reshape(-1, dim)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    faiss.omp_set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    index = faiss.IndexFlatIP(dim)
    index.add(vectors)
    queries = vectors[:: len(vectors) // QUERIES][:QUERIES]
    index.search(queries[:BATCH], 64)
    begun = time.perf_counter()
    index.search(queries, 64)
    each = (time.perf_counter() - begun) / len(queries)
    rows, few = torch.from_numpy(vectors), torch.from_numpy(queries[:BATCH].copy())
    rows @ few.T
    begun = time.perf_counter()
    for _ in range(5):
        rows @ few.T
    gflops = 5 * 2e-9 * len(rows) * dim * BATCH / (time.perf_counter() - begun)
    print(json.dumps({"seconds_a_query": each, "gflops": gflops}))


if __name__ == "__main__":
    main()
