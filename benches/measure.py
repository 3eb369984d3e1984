"""Times whole processes: medians of several runs, and a limit after which one counts as not finished."""

import os
import statistics
import subprocess
import sys
import time


class Measured:
    """Seconds of each run; none at all if a run did not finish in time."""

    def __init__(self, seconds, limit):
        self.seconds, self.limit = seconds, limit

    @property
    def median(self):
        return statistics.median(self.seconds) if self.seconds else None

    def __str__(self):
        if not self.seconds:
            return f"not finished in {self.limit:.0f} s"
        return text_of(self.median)


def text_of(seconds):
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def output_of(command, folder):
    """Runs a command, which must succeed; gives its seconds and what it said on standard output."""
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{command} in {folder} gave {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")
    return seconds, done.stdout


def run(command, folder, expect="", limit=1800, **environment):
    """Runs a command, which must succeed and say what is expected of it; gives its seconds, none if it took too long."""
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=folder, timeout=limit, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {key: str(value) for key, value in environment.items()},
        )
    except subprocess.TimeoutExpired:
        return None
    seconds = time.perf_counter() - begun
    if done.returncode != 0 or expect not in done.stdout:
        raise SystemExit(f"{command} in {folder} gave {done.returncode}, not `{expect}`:\n{done.stdout[-4000:]}")
    return seconds


def measured(command, folder, times, expect="", limit=300, **environment):
    """The command's times, after one run that is not counted. What does not finish is not tried again."""
    seconds = []
    for turn in range(times + 1):
        took = run(command, folder, expect, limit, **environment)
        if took is None:
            return Measured([], limit)
        if turn > 0:
            seconds.append(took)
        elif took > 60:
            return Measured([took], limit)  # The first run of such a long one will do.
    return Measured(seconds, limit)


# Runs a command and notes the most memory that one of its processes had (those included that they waited for).
PEAK = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


def run_with_peak(command, folder, limit=7200, **environment):
    """Runs a command, which must succeed: its seconds, the memory of its largest process (MB), and what it said."""
    note = folder / "peak"
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, note, *command], cwd=folder, timeout=limit, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {key: str(value) for key, value in environment.items()},
    )
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"{command} in {folder} gave {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return seconds, int(note.read_text()) * 1024 / 1e6, done.stdout
