"""The judge against `transformers serve`, an OpenAI-compatible server from PyPI, with a tiny model that is trained here.

    python3 benches/judge_transformers.py TROMMEL WORK

TROMMEL is the program; below WORK the server's environment and the model are made. The model answers `D / 10`, D being the last
digit of what it is asked, so that every row's score is known beforehand.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

from judge_litellm import PIPELINE, free_port, served
from torch_env import TorchEnvironment

PEERS = pathlib.Path(__file__).resolve().parent / "extract_peers"
# A later release than the baselines': the server of 4.57 streams even where that is not asked for.
WANTED = ["transformers==5.24.0", "fastapi", "uvicorn", "openai", "pydantic", "psutil"]
ROWS = 500


class ServeEnvironment:
    """The server, over the PyTorch of the other benchmarks."""

    def __init__(self, work):
        self.torch = TorchEnvironment(work, os.cpu_count())
        self.folder = work / "serve"
        self.python = self.folder / "bin" / "python"
        note = self.folder / "installed"
        if not note.exists():
            subprocess.run([sys.executable, "-m", "venv", self.folder], check=True)
            pip = [self.python, "-m", "pip", "install", "-q"]
            subprocess.run([*pip, *WANTED], check=True)
            subprocess.run([*pip, "--no-deps", "accelerate"], check=True)
            [site] = self.folder.glob("lib/python3*/site-packages")
            (site / "torch.pth").write_text(f"{self.torch.site()}\n")
            (site / "sitecustomize.py").write_text((self.torch.site() / "sitecustomize.py").read_text())
            note.write_text(str(WANTED))

    def strings(self):
        return os.environ | self.torch.strings()


def main():
    trommel, work = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    environment = ServeEnvironment(work)
    folder = work / "cases" / "judge-transformers"
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model"
    if not (model / "config.json").exists():
        subprocess.run([environment.python, PEERS / "make_judge.py", model], check=True, env=environment.strings())
    port = free_port()
    command = [environment.python, "-m", "transformers.cli.transformers", "serve", model, "--device", "cpu", "--port", str(port)]
    with served(command, folder, f"http://127.0.0.1:{port}/health", environment.strings()):
        tries(trommel, folder, port, model)


def tries(trommel, folder, port, model):
    texts = [f"sample {number * 7919 % 100_003}" for number in range(ROWS)]
    (folder / "rows.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    (folder / "p.yaml").write_text(PIPELINE.format(port=port, model=json.dumps(str(model))))
    cache = folder / "cache"
    subprocess.run(["rm", "-rf", cache], check=True)
    environment = os.environ | {"JUDGE_KEY": "none", "TROMMEL_CACHE": str(cache), "NO_PROXY": "127.0.0.1"}

    def run():
        begun = time.perf_counter()
        done = subprocess.run([trommel, "run", "p.yaml"], cwd=folder, env=environment, text=True, capture_output=True)
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        return done.stdout + done.stderr, time.perf_counter() - begun

    said, seconds = run()
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert len(rows) == ROWS
    right = sum(row["judge"] == float(text[-1]) for row, text in zip(rows, texts, strict=True))
    print(f"{ROWS} rows in {seconds:.1f} s, {right} scored with their own last digit;")
    print(next(line for line in said.splitlines() if "requests sent" in line).split(None, 1)[1])
    said, _ = run()
    assert "requests sent" not in said
    print("again: nothing is sent")
    if right < ROWS:
        sys.exit("FAILED: the model knows all digits, so an answer went to the wrong row")


main()
