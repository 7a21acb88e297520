# SPDX-License-Identifier: MIT
"""1 GiB in 200 files to S3 and back, beside aws-cli and boto3's transfer manager.

The server is bench/s3_sink.c, which keeps bodies in memory, so that the clients are measured. All
three get the same files, the same keys and plain HTTP, with their own defaults: aws-cli and boto3
ten threads, signed payloads and CRC-32; ours one network thread, ten requests at a time, signed
payloads and SHA-256. All three compare what comes back with the checksum that went up. Ours also
looks at the destination before (so that the same is not sent twice) and gives a file its name only
when it is complete and synced. Each side has a process of its own; time, CPU and peak memory are
those of that process from start to end, the median of the rounds by time.
"""
import argparse
import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side import ROOT, report

BUILD = Path(os.environ.get("TRAINYARD_BUILD", ROOT / "build")).resolve()
PEERS = ROOT / "bench" / ".venv"
REQUIREMENTS = ROOT / "tools" / "requirements-bench.txt"
FILES, TOTAL = 200, 1 << 30
MEMORY_GOAL = 64 << 20
MEMORY_DISK, MEMORY_DISK_NEEDS = "/dev/shm", 6 << 30

BOTO3 = """
import os, pathlib, sys
import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
client = boto3.client("s3")
root = pathlib.Path(sys.argv[2])
with create_transfer_manager(client, TransferConfig()) as manager:
    if sys.argv[1] == "upload":
        futures = [manager.upload(str(p), "bench", "tree/" + p.name) for p in root.iterdir()]
    else:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="bench", Prefix="tree/")
        futures = [manager.download("bench", o["Key"], str(root / o["Key"][5:]))
                   for page in pages for o in page["Contents"]]
    for future in futures:
        future.result()
"""


def ours(way, folder, scratch):
    directory = Path(scratch, f"execution-{way}")
    (directory / "work").mkdir(parents=True)
    entry = {"pointer": "/x", "form": "tree"}
    if way == "upload":
        message = {"push": [{**entry, "from": str(folder), "to": "s3://bench/tree/"}]}
    else:
        message = {"fetch": [{**entry, "from": "s3://bench/tree/", "to": str(folder)}]}
    (directory / "spec.json").write_text(json.dumps({"v": 1, "spec": {}, **message}))
    return ([BUILD / "transfer/trainyard-transfer", "push" if way == "upload" else "fetch"],
            {"TRAINYARD_EXECUTION_DIR": str(directory)})


def aws_cli(way, folder, _):
    there = "s3://bench/tree/"
    places = [str(folder), there] if way == "upload" else [there, str(folder)]
    return [PEERS / "bin/python", PEERS / "bin/aws", "s3", "cp", "--recursive",
            "--only-show-errors", *places], {}


def boto3(way, folder, _):
    return [PEERS / "bin/python", "-c", BOTO3, way, str(folder)], {}


SIDES = {"trainyard-transfer": ours, "aws-cli": aws_cli, "boto3 transfer manager": boto3}


def install_peers():
    if not (PEERS / "bin/aws").exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run([PEERS / "bin/pip", "install", "-q", "-r", REQUIREMENTS], check=True)


def make_tree(folder, total):
    folder.mkdir()
    size = total // FILES
    for i in range(FILES):
        (folder / f"{i:03}.bin").write_bytes(os.urandom(size + (i < total - size * FILES)))


def measure(command, environment):
    start = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise RuntimeError(f"{command[0]} failed")
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime,
            "rss": usage.ru_maxrss * 1024}


def round_of(side, source, scratch):
    """Upload and download with one side, through a sink of its own."""
    sink = subprocess.Popen([BUILD / "bench/s3_sink"], stdout=subprocess.PIPE, text=True)
    port = sink.stdout.readline().strip()
    environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                   "AWS_ACCESS_KEY_ID": "AKIABENCH", "AWS_SECRET_ACCESS_KEY": "bench",
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    target, results = scratch / "target", {}
    target.mkdir()
    try:
        for way, folder in (("upload", source), ("download", target)):
            command, more = SIDES[side](way, folder, scratch)
            results[way] = measure(command, {**environment, **more})
        names = sorted(p.name for p in source.iterdir())
        _, differing, broken = filecmp.cmpfiles(source, target, names, shallow=False)
        if differing or broken or len(list(target.iterdir())) != FILES:
            raise RuntimeError(f"{side}: what came back is not what was sent")
    finally:
        sink.kill()
        sink.wait()
        for folder in (target, scratch / "execution-upload", scratch / "execution-download"):
            shutil.rmtree(folder, ignore_errors=True)
    return results


def rows_of(rounds, total):
    rows = []
    for way in ("upload", "download"):
        middle = {}
        for side in SIDES:
            times = sorted((r[way] for r in rounds[side]), key=lambda m: m["seconds"])
            middle[side] = times[len(times) // 2]
        base = middle["trainyard-transfer"]["seconds"]
        for side, m in middle.items():
            rows.append({"way": way, "side": side, "seconds": round(m["seconds"], 2),
                         "MiB/s": round(total / m["seconds"] / (1 << 20)),
                         "ours is faster by": round(m["seconds"] / base, 2),
                         "CPU s": round(m["cpu"], 2),
                         "peak MiB": round(max(r[way]["rss"] for r in rounds[side]) / 2**20, 1)})
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="64 MiB, one round")
    arguments = parser.parse_args()
    total, rounds_n = (64 << 20, 1) if arguments.quick else (TOTAL, arguments.rounds)
    install_peers()
    space = shutil.disk_usage(MEMORY_DISK).free if os.path.isdir(MEMORY_DISK) else 0
    place = MEMORY_DISK if space > MEMORY_DISK_NEEDS else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        source = Path(folder, "source")
        make_tree(source, total)
        rounds = {side: [] for side in SIDES}
        for _ in range(rounds_n):
            for side, results in rounds.items():
                results.append(round_of(side, source, Path(folder)))
    rows = rows_of(rounds, total)
    report("transfer", f"{total >> 20} MiB in {FILES} files to S3 and back, median of {rounds_n}",
           ["way", "side", "seconds", "MiB/s", "ours is faster by", "CPU s", "peak MiB"], rows,
           ["files " + ("in memory (no disk)" if place else "on the disk of $TMPDIR"),
            "the sink shares the machine's cores with the client"])
    mine = [row for row in rows if row["side"] == "trainyard-transfer"]
    if any(row["peak MiB"] * 2**20 >= MEMORY_GOAL for row in mine):
        sys.exit("ours used more than 64 MiB")
    if not arguments.quick and any(row["ours is faster by"] < 1 for row in rows):
        sys.exit("a peer was faster")


if __name__ == "__main__":
    main()
