"""What the other selectors do, in numpy and faiss, as their authors' programs do it.

    others.py make ROWS DIM FOLDER     writes FOLDER/vectors.npy and rows.jsonl: clusters of rows
    others.py NAME FOLDER              prints JSON: seconds, without reading the vectors
"""

import heapq
import json
import pathlib
import sys
import time

import numpy as np

PICKS = {"kcenter": 1000, "facility": 500, "cluster": 200}
ITERATIONS = 20
ALIKE = 0.9


def make(rows, dim, folder):
    lots = np.random.default_rng(11)
    centres = lots.standard_normal((rows // 50, dim), dtype=np.float32)
    vectors = centres[lots.integers(len(centres), size=rows)]
    # Every fifth row nearly repeats another one, the rest is about as far from its centre as the centre from 0.
    noise = np.where(lots.random(rows) < 0.2, 0.1, 0.8).astype(np.float32)
    vectors += noise[:, None] * lots.standard_normal((rows, dim), dtype=np.float32)
    np.save(folder / "vectors.npy", vectors)
    with open(folder / "rows.jsonl", "w") as lines:
        for row in range(rows):
            lines.write(json.dumps({"row": row}) + "\n")


def kcenter(vectors):
    """One matrix-vector product a pick (Sener & Savarese's own program keeps distances likewise)."""
    picks, nearest = [0], np.full(len(vectors), -1.0, dtype=np.float32)
    while len(picks) < PICKS["kcenter"]:
        np.maximum(nearest, vectors @ vectors[picks[-1]], out=nearest)
        picks.append(int(nearest.argmin()))


def facility(vectors):
    """Lazy greedy over the matrix of all similarities."""
    similar = np.maximum(vectors @ vectors.T, 0)
    best = np.zeros(len(vectors), dtype=np.float32)
    heap = [(-gain, row, 0) for row, gain in enumerate(similar.sum(1, dtype=np.float64))]
    heapq.heapify(heap)
    picks = []
    while len(picks) < PICKS["facility"]:
        _, row, known = heapq.heappop(heap)
        if known == len(picks):
            picks.append(row)
            np.maximum(best, similar[row], out=best)
        else:
            gain = np.maximum(similar[row] - best, 0).sum(dtype=np.float64)
            heapq.heappush(heap, (-gain, row, len(picks)))


def dedup(vectors):
    """All similarities, a block of rows at a time (SemDeDup within one cluster)."""
    kept = np.ones(len(vectors), dtype=bool)
    for start in range(0, len(vectors), 1000):
        alike = vectors[start : start + 1000] @ vectors[: start + 1000].T > ALIKE
        for row, near in enumerate(alike, start):
            kept[row] = not (near[:row] & kept[:row]).any()


def cluster(vectors):
    import faiss

    means = faiss.Kmeans(
        vectors.shape[1], PICKS["cluster"], niter=ITERATIONS, spherical=True, seed=7, max_points_per_centroid=10**9
    )
    means.train(vectors)
    means.index.search(vectors, 1)


def main():
    name = sys.argv[1]
    if name == "make":
        make(int(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4]))
        return
    vectors = np.load(pathlib.Path(sys.argv[2]) / "vectors.npy")
    if name == "facility":
        vectors = vectors[:10_000]
    begun = time.perf_counter()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    {"kcenter": kcenter, "facility": facility, "dedup": dedup, "cluster": cluster}[name](vectors)
    print(json.dumps({"seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
