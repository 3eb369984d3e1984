"""The programs to compare with, in a virtual environment of their own below the target folder."""

import subprocess
import sys

VERSIONS = {"dvc": "3.67.1", "snakemake": "9.27.1"}


class Peers:
    def __init__(self, work):
        self.bin = work / "peers" / "bin"
        home = work / "home"
        home.mkdir(parents=True, exist_ok=True)
        # Nothing of the user's, and no questions to the network.
        self.environment = {
            "HOME": home, "XDG_CACHE_HOME": home / "cache", "XDG_CONFIG_HOME": home / "config",
            "DVC_SITE_CACHE_DIR": home / "dvc", "DVC_NO_ANALYTICS": "1", "CI": "true",
        }
        wanted = [f"{name}=={version}" for name, version in VERSIONS.items()]
        note = work / "peers" / "installed"
        if note.exists() and note.read_text() == str(wanted):
            return
        if subprocess.run([sys.executable, "-m", "venv", work / "peers"]).returncode != 0:
            raise SystemExit("bench: Python's venv is missing; as root, run: apt-get install python3-venv")
        subprocess.run([self.bin / "pip", "install", "-q", *wanted], check=True)
        note.write_text(str(wanted))

    def start_dvc(self, folder):
        """Makes a folder one of DVC's, as its manual says for work without git."""
        if not (folder / ".dvc").exists():
            subprocess.run([self.dvc, "init", "-q", "--no-scm"], cwd=folder, check=True, env=self.strings())
            config = [self.dvc, "config", "core.check_update", "false"]
            subprocess.run(config, cwd=folder, check=True, env=self.strings())

    def strings(self):
        import os
        return os.environ | {key: str(value) for key, value in self.environment.items()}

    @property
    def dvc(self):
        return str(self.bin / "dvc")

    @property
    def snakemake(self):
        return str(self.bin / "snakemake")
