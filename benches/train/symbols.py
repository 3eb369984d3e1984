"""Where a program's time went by the names of its functions, from `perf record`, in groups of what they do."""

import re
import subprocess

# The first that fits counts.
GROUPS = [
    ("attention without its products", r"flash_attention"),
    ("matrix products", r"mkl_blas|gemm|gemv|\[JIT\]"),
    ("optimizer, as far as it has a name", r"adam|lerp|[sS]qrt"),
    ("softmax", r"softmax"),
    ("kernel: pages, threads", r"\[k\]"),
    ("copies, memory", r"copy_kernel|CatArray|cat_serial|index|gather|scatter|fill_kernel|libc\.so"),
    ("threads waiting for each other", r"libgomp"),
    ("elementwise, norms, sums", r"libtorch_cpu|libm\.so"),
    ("trommel's own code", r"^trommel-torch"),
]


def shares(recorded, program, last):
    """Share of the samples in each group, and the names of the largest that fit none; of the last part of the time (0 to 1)."""
    command = [
        "perf", "report", "-i", recorded, "--stdio", "--no-children", "-g", "none", "--comms", program, "-t", "\t",
        "-F", "overhead,dso,symbol", "--time", f"{100 * (1 - last):.0f}%-100%",
    ]
    said = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    found, others = {}, []
    for line in said.splitlines():
        if "%" not in line or line.startswith("#"):
            continue
        share, name = line.strip().split("%", 1)
        share, name = float(share), " ".join(name.split())
        group = next((group for group, pattern in GROUPS if re.search(pattern, name)), "rest")
        found[group] = found.get(group, 0) + share
        if group == "rest":
            others.append((share, name))
    total = sum(found.values())
    return {group: share / total for group, share in found.items()}, sorted(others, reverse=True)[:5]
