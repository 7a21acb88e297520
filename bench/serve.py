#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Serving: ours beside ONNX Runtime, OpenVINO, the transformers pipeline and plain torch.

The model is MiniLM-L6 with a head of two classes. Peers answer in their own process, without HTTP:
text, the fast tokenizer, one forward, softmax. Ours answers over HTTP: at the worker's own socket,
and through the daemon over a kept connection. Three loads:
one short text at a time; reviews of up to 512 tokens, for ours in one request, for peers one row at
a time, without padding (their fastest way); and 64 connections with one short text each, for which
peers take 64 texts as one batch. All sides alternate within a round; figures are medians of the
rounds. `--against BUILD`: another build of ours as one more side. Labels of all sides must be equal
where the pipeline's scores are no tie, and the largest difference of a score is printed.
"""
import argparse
import json
import logging
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "bench" / ".venv" / "serve"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "parity"), str(PEERS)]

SHORT = "I love using the new Inference DLC."
MAX_LENGTH, CONNECTIONS, WARM_UP, TIE = 512, 64, 20, 0.02
REQUIREMENTS = ROOT / "tools" / "requirements-bench-serve.txt"
PEER_SIDES = ["onnxruntime fp32", "onnxruntime int8", "openvino fp32", "openvino bf16",
              "pipeline fp32", "torch bf16"]


# ---- peers, each in a process of its own ----

def softmax(logits):
    import numpy
    e = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def onnxruntime_forward(folder, dtype):
    import onnxruntime
    session = onnxruntime.InferenceSession(folder / f"model.{dtype}.onnx",
                                           providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def openvino_forward(folder, dtype):
    import openvino
    model = openvino.Core().compile_model(folder / "model.fp32.onnx", "CPU", {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32" if dtype == "fp32" else "bf16"})
    request = model.create_infer_request()
    return lambda inputs: request.infer(inputs)[model.output(0)]


def torch_forward(folder, _):
    import torch
    import transformers
    torch.set_num_threads(os.cpu_count())
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder / "model", dtype=torch.bfloat16).eval()

    def forward(inputs):
        with torch.inference_mode():
            return model(**{k: torch.from_numpy(v) for k, v in inputs.items()}
                         ).logits.float().numpy()
    return forward


def pipeline_ask(folder, _):
    import torch
    import transformers
    torch.set_num_threads(os.cpu_count())
    pipe = transformers.pipeline("text-classification", model=str(folder / "model"), device="cpu",
                                 top_k=None)

    def ask(texts):
        rows = pipe(texts, truncation=True, max_length=MAX_LENGTH, batch_size=len(texts))
        return [{entry["label"]: entry["score"] for entry in row} for row in rows]
    return ask


def peer_ask(side, folder):
    """texts → [{label: score}]: tokenise, one forward, softmax."""
    engine, dtype = side.split()
    if engine == "pipeline":
        return pipeline_ask(folder, dtype)
    import numpy
    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "model" / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.enable_padding()
    forward = {"onnxruntime": onnxruntime_forward, "openvino": openvino_forward,
               "torch": torch_forward}[engine](folder, dtype)

    def ask(texts):
        encoded = tokenizer.encode_batch(texts) if texts[1:] else [tokenizer.encode(texts[0])]
        scores = softmax(forward({
            "input_ids": numpy.array([e.ids for e in encoded], "int64"),
            "attention_mask": numpy.array([e.attention_mask for e in encoded], "int64"),
            "token_type_ids": numpy.array([e.type_ids for e in encoded], "int64")}))
        return [{f"LABEL_{i}": float(s) for i, s in enumerate(row)} for row in scores]
    return ask


def peer_main(side, folder):
    """Answers commands on stdin, one JSON value a line each way."""
    reviews = json.loads(Path(folder, "reviews.json").read_text(encoding="utf-8"))
    ask = peer_ask(side, Path(folder))
    loads = {"short": lambda n: latencies(lambda: ask([SHORT]), n),
             "reviews": lambda n: rate(lambda: [ask([text]) for text in reviews[:n]], n),
             "many": lambda n: rate(lambda: [ask([SHORT] * CONNECTIONS)
                                             for _ in range(0, n, CONNECTIONS)], n),
             "answers": lambda n: [ask([text])[0] for text in reviews[:n]]}
    for line in sys.stdin:
        load, n = line.split()
        print("ANSWER", json.dumps(loads[load](int(n))), flush=True)


class Peer:
    def __init__(self, side, folder):
        self.process = subprocess.Popen([sys.executable, __file__, "--peer", side, folder],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)

    def run(self, load, n):
        print(load, n, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("ANSWER "):
                return json.loads(line.split(" ", 1)[1])
        raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# ---- ours ----

def request_bytes(path, payload):
    body = json.dumps(payload).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def read_answer(connection):
    """The body of one answer on a kept connection; another status than 200 ends the bench."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(connection)
    head, body = data.split(b"\r\n\r\n", 1)
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(data.decode(errors="replace"))
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += received(connection)
    return body


def received(connection):
    data = connection.recv(1 << 16)
    if not data:
        raise RuntimeError("the server closed a connection")
    return data


class Ours:
    """An HTTP server of ours: connect() gives a connected socket."""

    def __init__(self, connect, path, folder):
        self.connect, self.path = connect, path
        self.reviews = json.loads(Path(folder, "reviews.json").read_text(encoding="utf-8"))
        self.short = request_bytes(path, {"inputs": SHORT})

    def ask(self, connection, request):
        connection.sendall(request)
        return read_answer(connection)

    def run(self, load, n):
        with self.connect() as connection:
            if load == "short":
                return latencies(lambda: self.ask(connection, self.short), n)
            if load == "many":
                return self.many(n)
            request = request_bytes(self.path, {"inputs": self.reviews[:n],
                                                "parameters": {"top_k": None}})
            if load == "reviews":
                return rate(lambda: self.ask(connection, request), n)
            rows = json.loads(self.ask(connection, request))
            return [{entry["label"]: entry["score"] for entry in row} for row in rows]

    def many(self, n):
        """Texts a second with one request on its way on each of CONNECTIONS connections."""
        with ExitStack() as stack, selectors.DefaultSelector() as poll:
            for _ in range(CONNECTIONS):
                connection = stack.enter_context(self.connect())
                connection.sendall(self.short)
                poll.register(connection, selectors.EVENT_READ)
            done, start = 0, time.perf_counter()
            while done < n:
                for key, _ in poll.select():
                    read_answer(key.fileobj)
                    done += 1
                    key.fileobj.sendall(self.short)
            seconds = time.perf_counter() - start
            for key in list(poll.get_map().values()):
                read_answer(key.fileobj)
        return done / seconds

    def close(self):
        pass


def unix_connect(path):
    connection = socket.socket(socket.AF_UNIX)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
    return connection


def tcp_connect(host, port):
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def start_ours(name, build, folder, spec, stack):
    """One endpoint behind a daemon of this build: its two sides."""
    from trainyardd import daemon_on
    home = Path(folder, name)
    home.mkdir()
    daemon = stack.enter_context(daemon_on(home, build=build))
    run = daemon.submit([{"name": "serve", "kind": "deploy", "endpoint": "bench",
                          "model": str(folder / "model"), **spec,
                          "local": {"cpus": os.cpu_count()}}])
    daemon.wait_job(run["id"], "serve", "succeeded")
    [sock] = daemon.data.rglob("serve.sock")
    host, port = daemon.url.split("/")[2].split(":")
    return {f"{name}, worker": Ours(lambda: unix_connect(sock), "/invocations", folder),
            f"{name}, daemon": Ours(lambda: tcp_connect(host, int(port)),
                                    "/v1/endpoints/bench/invocations", folder)}


# ---- both ----

def latencies(call, n):
    """Milliseconds of each of n calls, after some that are not counted."""
    times = []
    for _ in range(WARM_UP + n):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return times[WARM_UP:]


def rate(call, n):
    start = time.perf_counter()
    call()
    return n / (time.perf_counter() - start)


def prepare(folder, rows):
    """The model for all sides, its ONNX forms, and the reviews."""
    import onnxruntime.quantization
    import torch
    import transformers
    import serving
    from texts import minilm, reviews
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        minilm(), num_labels=2, attn_implementation="eager")
    serving.save(model, folder / "model")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    example = tuple(torch.ones(1, 8, dtype=torch.long) for _ in names)
    torch.onnx.export(model, example, folder / "model.fp32.onnx", dynamo=False, input_names=names,
                      output_names=["logits"], opset_version=17,
                      dynamic_axes={n: {0: "rows", 1: "tokens"} for n in names})
    onnxruntime.quantization.quantize_dynamic(folder / "model.fp32.onnx",
                                              folder / "model.int8.onnx")
    (folder / "reviews.json").write_text(json.dumps([text for text, _ in reviews()[:rows]]),
                                         encoding="utf-8")


def compare(answers):
    """{side: largest difference of a score to the pipeline's}; equal labels but for ties."""
    base, differences = answers["pipeline fp32"], {}
    for side, rows in answers.items():
        gaps = [max(abs(row[label] - want[label]) for label in want)
                for row, want in zip(rows, base, strict=True)]
        differences[side] = max(gaps)
        for row, want in zip(rows, base, strict=True):
            if abs(want["LABEL_0"] - 0.5) > TIE and max(row, key=row.get) != max(want,
                                                                                key=want.get):
                print(f"another label: {side} {row}, the pipeline {want}")
    return differences


def measure(sides, args):
    got = {name: {"p50": [], "p99": [], "reviews": [], "many": []} for name in sides}
    for _ in range(args.rounds):
        for name, side in sides.items():
            times = sorted(side.run("short", args.short))
            got[name]["p50"].append(times[len(times) // 2])
            got[name]["p99"].append(times[len(times) * 99 // 100])
        for load, n in (("reviews", args.rows), ("many", args.many)):
            for name, side in sides.items():
                if n:
                    got[name][load].append(side.run(load, n))
    return {name: {what: statistics.median(v) for what, v in values.items() if v}
            for name, values in got.items()}


def table(results, differences):
    best = min(r["p50"] for name, r in results.items() if name == "openvino bf16"
               ) if "openvino bf16" in results else None
    rows = []
    for name, r in results.items():
        rows.append({"side": name, "short p50 ms": round(r["p50"], 2),
                     "p99 ms": round(r["p99"], 2),
                     "x OpenVINO bf16": round(r["p50"] / best, 2) if best else "",
                     "reviews/s": round(r["reviews"], 1) if "reviews" in r else "",
                     "short/s, 64 at once": round(r["many"]) if "many" in r else "",
                     "largest difference": f"{differences.get(name, 0):.0e}"})
    return rows


def install_peers():
    if not (PEERS / "openvino").exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target",
                        PEERS, "-r", REQUIREMENTS], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="build directory of the state before")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", type=int, default=200, help="short texts a round")
    parser.add_argument("--rows", type=int, default=48, help="reviews a round")
    parser.add_argument("--many", type=int, default=1280, help="texts at 64 connections a round")
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    install_peers()
    from side import report
    from trainyardd import BUILD
    builds = {"ours fp32": (BUILD, {}), "ours bf16": (BUILD, {"dtype": "bf16"})}
    if args.against:
        builds["before"] = (args.against, {})
    with tempfile.TemporaryDirectory() as tmp, ExitStack() as stack:
        folder, sides = Path(tmp), {}
        prepare(folder, args.rows)
        for name, (build, spec) in builds.items():
            sides |= start_ours(name, build.resolve(), folder, spec, stack)
        for name in ["pipeline fp32"] if args.no_peers else PEER_SIDES:
            sides[name] = Peer(name, folder)
            stack.callback(sides[name].close)
        differences = compare({name: side.run("answers", args.rows)
                               for name, side in sides.items()})
        results = measure(sides, args)
    rows = table(results, differences)
    report("serve", f"serving MiniLM-L6, {os.cpu_count()} cores, medians of {args.rounds} rounds",
           list(rows[0]), rows,
           ["peers in process, without HTTP; ours over HTTP, the client on the same cores",
            f"{args.rows} reviews of at most {MAX_LENGTH} tokens a round"])


if __name__ == "__main__":
    sys.exit(peer_main(*sys.argv[2:]) if sys.argv[1:2] == ["--peer"] else main())
