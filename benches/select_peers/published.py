"""One pick as the published program makes it, from its description: all samples that are left are sorted by difficulty, the first is taken,
its similarity to all is computed in float32 and sorted, and the first ten of those that are left are lowered.

    published.py VECTORS.f32 DIM          prints JSON
"""

import json
import os
import sys
import time

import torch

PICKS = 25


def main():
    path, dim = sys.argv[1], int(sys.argv[2])
    vectors = torch.from_file(path, size=os.path.getsize(path) // 4, dtype=torch.float32)
    vectors = vectors.view(-1, dim)
    norms = vectors.norm(dim=-1)
    generator = torch.Generator().manual_seed(7)
    difficulty = dict(enumerate(torch.randn(len(vectors), generator=generator, dtype=torch.float64).tolist()))
    begun = None
    for pick in range(PICKS + 1):
        if pick == 1:  # the first is not counted
            begun = time.perf_counter()
        difficulty = dict(sorted(difficulty.items(), key=lambda item: item[1], reverse=True))
        first = next(iter(difficulty))
        hardest = difficulty.pop(first)
        similarities = (vectors * vectors[first]).sum(-1) / norms / norms[first]
        ordered = torch.sort(similarities, descending=True)
        lowered = 0
        for similarity, index in zip(ordered.values.tolist(), ordered.indices.tolist()):
            if index in difficulty:
                difficulty[index] -= hardest * similarity**2
                lowered += 1
                if lowered == 10:
                    break
    print(json.dumps({"seconds_a_pick": (time.perf_counter() - begun) / PICKS}))


if __name__ == "__main__":
    main()
