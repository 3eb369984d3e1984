"""Rank correlations, and how well any linear function of features could do."""

import numpy as np


def ranks(values):
    """Ranks from 0; equal values share the mean of theirs."""
    _, group, sizes = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes + 1) / 2)[group]


def spearman(a, b):
    """Spearman's rank correlation."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def partial(a, b, given):
    """Spearman's correlation of what of `a` and `b` is not explained (linearly, in ranks) by `given`."""
    ab, ag, bg = spearman(a, b), spearman(a, given), spearman(b, given)
    return (ab - ag * bg) / np.sqrt((1 - ag**2) * (1 - bg**2))


def among(runs):
    """Mean correlation of all pairs of runs: how far a run agrees with another of its own sort."""
    pairs = [spearman(a, b) for place, a in enumerate(runs) for b in runs[:place]]
    return float(np.mean(pairs))


def fitted(features, target, ridge=0.1):
    """Weights (the last one is the constant) of a linear function for `target`'s ranks."""
    inputs = with_one(features)
    damping = ridge * np.eye(inputs.shape[1])
    damping[-1, -1] = 0
    return np.linalg.solve(inputs.T @ inputs + damping, inputs.T @ (ranks(target) / len(target)))


def linear(features, target, clusters, folds=5):
    """Correlation with `target` of a linear function fitted to it: on the samples it was fitted on, and on others.

    `features` [n, F]; samples of one cluster are left out together.
    """
    inside = with_one(features) @ fitted(features, target)
    outside = np.zeros(len(target))
    fold = np.asarray(clusters) % folds
    for number in range(folds):
        there = fold == number
        outside[there] = with_one(features[there]) @ fitted(features[~there], target[~there])
    return spearman(inside, target), spearman(outside, target)


def first_step(features, losses):
    """The difficulty along which the first training step moves a score net: features times their covariance with the losses."""
    return features @ ((features - features.mean(0)).T @ (losses - losses.mean()))


def with_one(features):
    return np.hstack([features, np.ones((len(features), 1))])


def effective(scores, batch=16, draws=2000):
    """How many of a batch's samples count: the exponential of the weights' entropy, mean over random batches."""
    draw = np.random.default_rng(0)
    logits = np.stack([draw.choice(scores, batch, replace=False) for _ in range(draws)])
    weights = np.exp(logits - logits.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    return float(np.exp(-(weights * np.log(np.maximum(weights, 1e-300))).sum(1)).mean())
