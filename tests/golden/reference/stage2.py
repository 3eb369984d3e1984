"""Stage 2: difficulty, and the greedy choice that stays diverse."""


def difficulty(features, score_net):
    """-(score net . features), float32 product kept as a double: {unique_idx: difficulty}"""
    return {i: -float((score_net @ f[:, None])[0, 0]) for i, f in enumerate(features)}


def similarity_f32(features):
    """One row at a time: cosine to all in float32."""
    norms = features.norm(dim=1)

    def row(i):
        return ((features * features[i]).sum(-1) / norms / norms[i]).double()

    return row


def similarity_f64(features):
    return similarity_f32(features.double())


def select(similar, difficulties, count, k, gamma=1.0):
    """(picks in order, events). Ties go to the smallest index, in both orders.

    Fewer than k left: all that are left are penalised.
    """
    left = dict(difficulties)
    picks, events = [], []
    for _ in range(min(count, len(left))):
        pick = min(left, key=lambda i: (-left[i], i))
        d = left.pop(pick)
        runner_up = max(left.values(), default=None)
        sims = similar(pick).tolist()
        nearest = sorted(left, key=lambda i: (-sims[i], i))
        for i in nearest[:k]:
            left[i] -= d * sims[i] ** 2 * gamma
        picks.append(pick)
        events.append({
            "pick": pick,
            "difficulty": d,
            "runner_up": runner_up,
            "neighbours": [[i, left[i]] for i in nearest[:k]],
            "gap_sim_k": sims[nearest[k - 1]] - sims[nearest[k]] if len(nearest) > k else None,
        })
    return picks, events


def report(features, difficulties, count, k, gamma=1.0):
    """A selection with what tells how safe its order is against rounding."""
    picks, events = select(similarity_f32(features), difficulties, count, k, gamma)
    again, _ = select(similarity_f64(features), difficulties, count, k, gamma)
    gaps_k = [e.pop("gap_sim_k") for e in events]
    return {
        "selected": picks,
        "events": events,
        "float64_same_order": picks == again,
        "min_gap_top2": min((e["difficulty"] - e["runner_up"] for e in events if e["runner_up"] is not None), default=None),
        "min_gap_sim_k": min((g for g in gaps_k if g is not None), default=None),
    }

