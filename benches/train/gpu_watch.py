"""A program seen from outside while it runs: the GPU's memory, and the environment of the worker that it starts."""

import os
import pathlib
import shutil
import subprocess
import threading

SETTINGS = ("PYTORCH", "TORCH", "CUDA", "MALLOC", "OMP")


class Watch:
    """`peak`: most bytes in use on the GPU, less those before; none where nobody can be asked. It counts what the allocator holds and the driver's
    own part (about half a gigabyte), and may miss what is gone within 50 ms."""

    def __init__(self, pid, with_gpu):
        self.pid, self.before, self.peak, self.environment = pid, None, None, {}
        self.stopped = threading.Event()
        self.asking = None
        if with_gpu and shutil.which("nvidia-smi"):
            question = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0", "-lms", "50"]
            self.asking = subprocess.Popen(question, text=True, stdout=subprocess.PIPE)
            threading.Thread(target=self.memory, daemon=True).start()
        self.looking = threading.Thread(target=self.worker, daemon=True)
        self.looking.start()

    def memory(self):
        for line in self.asking.stdout:
            used = int(line) << 20
            self.before = used if self.before is None else self.before
            self.peak = max(self.peak or 0, used - self.before)

    def worker(self):
        """The worker starts itself again with what it lacks, so the last look counts."""
        while not self.stopped.wait(1):
            for child in children(self.pid):
                try:
                    entries = pathlib.Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                pairs = (entry.decode(errors="replace").partition("=") for entry in entries)
                self.environment = {name: value for name, _, value in pairs if name.startswith(SETTINGS)}

    def stop(self):
        self.stopped.set()
        self.looking.join()
        if self.asking:
            self.asking.terminate()
            self.asking.wait()


def children(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name may hold anything, a bracket too; what follows its last bracket does not.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(stat.parent.name))
    return found


def end(process):
    """The program and what it started: a worker that goes on would hold the GPU."""
    started = children(process.pid)
    process.kill()
    process.wait()
    for pid in started:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
