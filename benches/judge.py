"""The judge against a server that fails: 10,000 rows, a fifth of the requests go wrong, one SIGKILL in between.

    python3 benches/judge.py TROMMEL [--rows N] [--faults SHARE] [--concurrency N] [--latency SECONDS] [--no-kill]

TROMMEL is the release build of the program. Prints requests sent for the rows, requests repeated because of the kill, wall time
beside the least possible one, and checks that every row got the answer to its own question. Needs nothing but Python.
"""

import argparse
import collections
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

FAULTS = ("429", "500", "503", "reset", "cut", "garbage", "slow")
TIMEOUT = 1.0


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, faults, latency):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.latency, self.random = faults, latency, random.Random(1)
        self.lock = threading.Lock()
        self.requests, self.done, self.most, self.now = 0, collections.Counter(), 0, 0
        self.injected = collections.Counter()

    def handle_error(self, request, client_address):
        pass  # Clients that are killed break connections.

    def fault(self):
        with self.lock:
            self.requests += 1
            if self.random.random() >= self.faults:
                return None
            fault = self.random.choice(FAULTS)
            self.injected[fault] += 1
            return fault


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = body["messages"][-1]["content"]
        with server.lock:
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            self.act(server.fault(), words)
        finally:
            with server.lock:
                server.now -= 1

    def act(self, fault, words):
        server = self.server
        time.sleep(server.latency)
        if fault == "429":
            return self.give(429, '{"error": {"message": "slow down"}}', {"Retry-After": "0.1"})
        if fault in ("500", "503"):
            return self.give(int(fault), '{"error": "busy"}')
        if fault == "reset":
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
            return None
        if fault == "garbage":
            return self.give(200, "<html>")
        if fault == "slow":
            time.sleep(TIMEOUT + 0.3)
        text = json.dumps({
            "choices": [{"index": 0, "message": {"content": mark(words)}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 50, "completion_tokens": 2},
        })
        if fault == "cut":
            return self.give(200, text[:40])
        self.give(200, text)
        if fault is None:
            with server.lock:
                server.done[words] += 1

    def give(self, status, text, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())


def mark(words):
    return f"{sum(words.encode()) % 101 / 10} / 10"


PIPELINE = """version: 1
nodes:
  rows: {{ kind: load.jsonl, path: rows.jsonl }}
  judge:
    kind: score.judge
    input: rows
    endpoint: "http://127.0.0.1:{port}/v1"
    model: any
    prompt: "{{{{ text }}}}"
    concurrency: {concurrency}
    timeout: {timeout}
    attempts: 20
outputs:
  - {{ from: judge, path: out.jsonl, format: jsonl }}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trommel", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--no-kill", action="store_true")
    arguments = parser.parse_args()
    server = Server(arguments.faults, arguments.latency)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        bench(arguments, server, pathlib.Path(folder))


def bench(arguments, server, folder):
    texts = [f"sample {number}, of which nobody knows more than this" for number in range(arguments.rows)]
    (folder / "rows.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    (folder / "p.yaml").write_text(PIPELINE.format(
        port=server.server_port, concurrency=arguments.concurrency, timeout=TIMEOUT))
    command = [arguments.trommel.resolve(), "run", "p.yaml"]
    environment = os.environ | {"TROMMEL_CACHE": str(folder / "cache"), "NO_PROXY": "127.0.0.1"}
    begun = time.perf_counter()
    killed_after = None
    if not arguments.no_kill:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while server.requests < arguments.rows // 2:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        killed_after = server.requests
        time.sleep(TIMEOUT + 0.5)  # What was in flight comes to its end, so that it is not counted twice.
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"the run failed:\n{done.stdout}{done.stderr}")
    first = server.requests
    again = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=True)
    assert server.requests == first, f"the second run sent {server.requests - first} requests\n{again.stdout}"

    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    wrong = [row for row, text in zip(rows, texts, strict=True) if row["judge_response"] != mark(text)]
    repeated = sum(count - 1 for count in server.done.values())
    injected = sum(server.injected.values())
    print(f"rows {len(rows)}, answered {len(rows) - len(wrong)}, with another row's answer {len(wrong)}")
    print(f"requests {first} ({injected} with a fault: {dict(server.injected)}), {first / len(rows):.3f} a row")
    print(f"killed after {killed_after} requests; questions answered again: {repeated}, most in flight at the server {server.most}")
    least = first * arguments.latency / arguments.concurrency
    print(f"wall {seconds:.1f} s, {len(rows) / seconds:.0f} rows/s; without any pause it would be {least:.1f} s")
    print([line for line in done.stdout.splitlines() + done.stderr.splitlines() if "requests sent" in line][0].strip())
    if wrong or repeated > arguments.concurrency:
        sys.exit("FAILED")


main()
