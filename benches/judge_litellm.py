"""The judge against LiteLLM's proxy, an OpenAI-compatible server from PyPI, on loopback.

    pip install 'litellm[proxy]'
    python3 benches/judge_litellm.py TROMMEL LITELLM

TROMMEL is the program, LITELLM the proxy's program (`litellm` of the environment). The proxy's model says `8 / 10` to all; what
is tried is the protocol: requests and answers as a server made elsewhere takes and gives them, keys, unknown models, rate limits.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

KEY = "sk-loopback-1234567890"

MODELS = f"""model_list:
  - model_name: tiny
    litellm_params: {{ model: openai/tiny, api_key: none, mock_response: "8 / 10" }}
general_settings: {{ master_key: {KEY} }}
"""

PIPELINE = """version: 1
nodes:
  rows: {{ kind: load.jsonl, path: rows.jsonl }}
  judge:
    kind: score.judge
    input: rows
    endpoint: "http://127.0.0.1:{port}/v1"
    model: {model}
    api_key: "${{env:JUDGE_KEY}}"
    prompt: "Rate from 0 to 10: {{{{ text }}}}"
outputs:
  - {{ from: judge, path: out.jsonl, format: jsonl }}
"""


def main():
    trommel, litellm = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "models.yaml").write_text(MODELS)
        command = [litellm, "--config", "models.yaml", "--host", "127.0.0.1", "--port", str(port)]
        with served(command, folder, f"http://127.0.0.1:{port}/health/liveliness", os.environ):
            tries(trommel, folder, port)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def served(command, folder, address, environment):
    """While the server runs and answers under the address."""
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_for(address, server)
        yield
    except BaseException:
        print((folder / "server.log").read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        server.terminate()
        server.wait()


def wait_for(address, server):
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit("the server has ended")
        try:
            urllib.request.urlopen(address, timeout=1)
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("the server does not come up")


def tries(trommel, folder, port):
    count = 200
    (folder / "rows.jsonl").write_text("\n".join(json.dumps({"text": f"sample {number}"}) for number in range(count)))

    def run(model, key):
        (folder / "p.yaml").write_text(PIPELINE.format(port=port, model=model))
        environment = os.environ | {"JUDGE_KEY": key, "TROMMEL_CACHE": str(folder / "cache"), "NO_PROXY": "127.0.0.1"}
        begun = time.perf_counter()
        done = subprocess.run([trommel, "run", "p.yaml"], cwd=folder, env=environment, text=True, capture_output=True)
        return done.returncode, done.stdout + done.stderr, time.perf_counter() - begun

    status, said, _ = run("tiny", "sk-wrong-key-987654321")
    print("wrong key:", status, next(line for line in said.splitlines() if "HTTP" in line).strip()[:160])
    assert status == 1 and "sk-wrong-key" not in said
    status, said, _ = run("nosuch", KEY)
    print("unknown model:", status, next(line for line in said.splitlines() if "HTTP" in line).strip()[:160])
    assert status == 1
    status, said, seconds = run("tiny", KEY)
    assert status == 0, said
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [row["judge"] for row in rows] == [8.0] * count
    print(f"{count} rows in {seconds:.1f} s;", next(line for line in said.splitlines() if "requests sent" in line).split(None, 1)[1])
    status, said, _ = run("tiny", KEY)
    assert status == 0 and "requests sent" not in said
    print("again: nothing is sent")


if __name__ == "__main__":
    main()
