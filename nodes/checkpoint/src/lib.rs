//! Reads and writes checkpoint files: safetensors and torch.save archives.
