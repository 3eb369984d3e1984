"""Feature extractors for Trommel in Python: a function over a batch of rows becomes a worker program (docs/worker-protocol.md)."""

import json
import os
import struct
import sys
import traceback

import pyarrow as pa

VERSION = "0.1.0"
TYPES = {"text": pa.string(), "bytes": pa.binary(), "bool": pa.bool_(), "i64": pa.int64(), "u32": pa.uint32(),
         "u64": pa.uint64(), "f32": pa.float32(), "f64": pa.float64(), "vector": pa.list_(pa.float32())}

# The pipes to the engine. What else reads standard input gets nothing, and what is printed goes to standard error.
_requests, _answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
_failed = []


def serve(run, gives, load=lambda config, device: config):
    """Answers the engine until it is done with us.

    `load(config, device)` is called once, with what the pipeline file says under `config` and the device (auto, cpu or
    cuda:N). What it returns (the configuration, if there is no `load`) goes to `run(batch, loaded)` with each batch, a
    `pyarrow.Table`. `run` returns {column: values}, one value a row, None for null; `gives` is {column: type}.
    """
    sessions = {}
    while lengths := _requests.read(12):
        head, body = struct.unpack("<IQ", lengths)
        head, body = json.loads(_requests.read(head)), _requests.read(body)
        session = head.get("session")
        try:
            if head["type"] == "hello":
                device = head["device"]
                name = os.path.basename(sys.argv[0])
                _send({"type": "hello", "protocol": 1, "name": name, "version": VERSION, "device": device})
            elif head["type"] == "open":
                sessions[session] = load(head["config"], device)
                _send({"type": "opened", "session": session})
            elif head["type"] == "rows":
                batch = pa.ipc.open_stream(body).read_all()
                _failed.clear()
                table = _table(run(batch, sessions[session]), gives, batch.num_rows)
                _send({"type": "rows", "session": session, "failed": _failed}, table)
            elif head["type"] == "close":
                del sessions[session]
            else:
                raise ValueError(f"there is no answer to {head['type']}")
        except Exception as error:
            traceback.print_exc()
            sessions.pop(session, None)
            _send({"type": "error", "message": f"{type(error).__name__}: {error}"})


def fail(row, reason):
    """Reports that a row of the batch (counted from 0) cannot be computed; its values are null."""
    _failed.append({"row": row, "reason": str(reason)})


def log(message):
    _send({"type": "log", "message": str(message)})


def warn(message):
    _send({"type": "warning", "message": str(message)})


def progress(done, total=None, note=""):
    """Says how far a long request is; it also tells the engine that we have not hung up."""
    _send({"type": "progress", "done": done, "total": total, "note": note})


def _table(columns, gives, rows):
    arrays = {name: _array(values, gives.get(name)) for name, values in columns.items()}
    for name, array in arrays.items():
        if len(array) != rows:
            raise ValueError(f"{len(array)} values in {name!r} for {rows} rows")
    return pa.table(arrays)


def _array(values, given):
    kind = TYPES[given.split("(")[0]] if given else None
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values.cast(kind) if kind else values
    return pa.array(list(values), kind)


def _send(head, table=None):
    body = pa.BufferOutputStream()
    if table is not None:
        with pa.ipc.new_stream(body, table.schema) as writer:
            writer.write_table(table)
    body, head = body.getvalue(), json.dumps(head).encode()
    _answers.write(struct.pack("<IQ", len(head), body.size) + head)
    _answers.write(body)
    _answers.flush()
