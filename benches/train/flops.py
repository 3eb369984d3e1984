"""Floating point operations of a training step, a product and a sum being two. Without the vision tower and the projector."""

import json
import pathlib


class Shape:
    """Of a LLaMA, from its config.json."""

    def __init__(self, folder):
        config = json.loads((pathlib.Path(folder) / "config.json").read_text())
        self.width, self.inner = config["hidden_size"], config["intermediate_size"]
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.vocabulary = config["vocab_size"]

    @property
    def layer(self):
        """Weights of one layer's linear maps."""
        return 4 * self.width**2 + 3 * self.width * self.inner

    @property
    def head(self):
        return self.width * self.vocabulary

    @property
    def parameters(self):
        """All of the language model."""
        return self.layers * (self.layer + 2 * self.width) + self.width + 2 * self.head


def needed(shape, lengths, labels, full=True):
    """What a step cannot do without: no padding, nothing computed twice, the head where there is a label, half of each square of
    attention. `full`: the weights have gradients too, else only what leads to adapters."""
    passes = 6 if full else 4
    squares = sum(length**2 for length in lengths)
    return (
        passes * (shape.layers * shape.layer * sum(lengths) + shape.head * labels)
        + 3 * shape.layers * 2 * shape.width * squares
    )


def padded(shape, rows, longest, recompute, full=True):
    """What the published program's step computes: all rows as long as the longest, the head everywhere, and with recomputation
    every layer forwards twice."""
    passes = 6 if full else 4
    again = 2 if recompute else 0
    tokens = rows * longest
    return (
        (passes + again) * shape.layers * shape.layer * tokens
        + passes * shape.head * tokens
        + (3 + again / 2) * shape.layers * 4 * shape.width * rows * longest**2
    )
