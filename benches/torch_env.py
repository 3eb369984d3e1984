"""PyTorch, transformers and Data-Juicer in a virtual environment of their own, without the gigabytes of CUDA.

The wheel of PyTorch on PyPI is the one for CUDA. On processors alone its libraries ask for a dozen of NVIDIA's that are
never called; an empty library of each name is enough, if functions are looked up when they are called and not before.
"""

import os
import pathlib
import re
import subprocess
import sys

VERSIONS = {"torch": "2.11.0", "transformers": "4.57.6", "open_clip_torch": "3.3.0"}
DATA_JUICER = {"py-data-juicer": "1.6.1"}
# A published sentencepiece model of 32,000 pieces lies in the first (Mistral-7B's); transformers reads it with the second.
TOKENIZER = {"mistral-common": "1.13.1", "sentencepiece": "0.2.1"}
FAISS = {"faiss-cpu": "1.12.0"}

# Without what they ask for: PyTorch would bring all of CUDA, open_clip (of which only the list of merges is read) PyTorch.
ALONE = [
    "torch=={torch}", "open_clip_torch=={open_clip_torch}", "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85",
]
WITH_ALL = [
    "transformers=={transformers}", "pillow==12.0.0", "filelock", "typing-extensions", "sympy", "networkx", "jinja2", "fsspec",
]

# Before anything else is imported. There is no GPU to be asked about.
SITE = """\
import os, sys
sys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)
"""


class TorchEnvironment:
    def __init__(self, work, threads):
        self.folder = work / "torch"
        self.python = self.folder / "bin" / "python"
        self.stubs = self.folder / "stubs"
        self.threads = threads
        self.install()

    def environment(self):
        """Nothing of the user's, no questions to the network, the same number of threads for all."""
        return {
            "LD_LIBRARY_PATH": f"{self.stubs}:{self.cuda()}", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1",
            "HF_HOME": self.folder / "hf", "HOME": self.folder / "home", "TOKENIZERS_PARALLELISM": "true",
            "OMP_NUM_THREADS": self.threads, "MKL_NUM_THREADS": self.threads, "PYTHONWARNINGS": "ignore",
            "TRANSFORMERS_VERBOSITY": "error", "DATA_JUICER_CACHE_HOME": self.folder / "dj", "HF_DATASETS_OFFLINE": "1",
            "UV_OFFLINE": "1",
        }

    def install(self):
        wanted = [text.format(**VERSIONS) for text in ALONE + WITH_ALL]
        note = self.folder / "installed"
        if note.exists() and note.read_text() == str(wanted):
            return
        if subprocess.run([sys.executable, "-m", "venv", self.folder]).returncode != 0:
            raise SystemExit("bench: Python's venv is missing; as root, run: apt-get install python3-venv")
        self.pip("--no-deps", *wanted[: len(ALONE)])
        self.pip(*wanted[len(ALONE) :])
        (self.site() / "sitecustomize.py").write_text(SITE)
        self.make_stubs()
        check = [self.python, "-c", "import torch; print(torch.ones(2, 2) @ torch.ones(2, 2))"]
        subprocess.run(check, check=True, env=os.environ | self.strings(), stdout=subprocess.DEVNULL)
        note.write_text(str(wanted))

    def install_data_juicer(self):
        """Whether it could be installed; it asks for much, and what cannot be had is no reason to stop."""
        wanted = [f"{name}=={version}" for name, version in DATA_JUICER.items()]
        note = self.folder / "data_juicer"
        if note.exists() and note.read_text() == str(wanted):
            return True
        try:
            self.pip(*wanted, f"transformers=={VERSIONS['transformers']}")
        except subprocess.CalledProcessError:
            return False
        note.write_text(str(wanted))
        return True

    def install_faiss(self):
        wanted = [f"{name}=={version}" for name, version in FAISS.items()]
        note = self.folder / "faiss"
        if not (note.exists() and note.read_text() == str(wanted)):
            self.pip(*wanted)
            note.write_text(str(wanted))

    def tokenizer(self):
        """The file of a LLaMA-like tokenizer, which is installed with what reads it."""
        wanted = [f"{name}=={version}" for name, version in TOKENIZER.items()]
        note = self.folder / "tokenizer"
        if not (note.exists() and note.read_text() == str(wanted)):
            self.pip("--no-deps", *wanted)
            note.write_text(str(wanted))
        return self.site() / "mistral_common" / "data" / "tokenizer.model.v1"

    def pip(self, *arguments):
        subprocess.run([self.python, "-m", "pip", "install", "-q", *arguments], check=True)

    def site(self):
        [site] = self.folder.glob("lib/python3*/site-packages")
        return site

    def cuda(self):
        return self.site() / "nvidia" / "cu13" / "lib"

    def make_stubs(self):
        """An empty library for each that is asked for and not there."""
        self.stubs.mkdir(exist_ok=True)
        libraries = list((self.site() / "torch" / "lib").glob("*.so*"))
        there = {path.name for path in libraries} | {path.name for path in self.cuda().glob("*.so*")}
        wanted = set()
        for library in libraries:
            said = subprocess.run(["readelf", "-d", library], check=True, text=True, stdout=subprocess.PIPE).stdout
            wanted |= set(re.findall(r"\(NEEDED\).*\[(.+)\]", said))
        nvidia = ("libcu", "libnv", "libnccl", "libcufile")
        for name in sorted(wanted - there):
            if name.startswith(nvidia):
                command = ["cc", "-shared", "-nostdlib", f"-Wl,-soname,{name}", "-x", "c", "-", "-o", self.stubs / name]
                subprocess.run(command, input="", check=True, text=True)

    def strings(self):
        return {key: str(value) for key, value in self.environment().items()}
