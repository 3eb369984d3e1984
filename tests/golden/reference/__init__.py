"""Reference computation of Self-Filter in plain PyTorch and transformers, for tiny models only."""
