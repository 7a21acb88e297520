# SPDX-License-Identifier: MIT
"""A training script whose speed the test decides: before step N it waits until DIR/go says that at
least N steps may be done. Each start adds a line to DIR/starts."""
import argparse
import os
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--dir", type=Path)
parser.add_argument("--steps", type=int)
args = parser.parse_args()

with open(args.dir / "starts", "a", encoding="utf-8") as starts:
    starts.write(f"{os.getpid()}\n")
for step in range(1, args.steps + 1):
    while int((args.dir / "go").read_text(encoding="utf-8") or 0) < step:
        time.sleep(0.01)
    print(f"step={step} loss={1 / step:.4f}", flush=True)
Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained\n", encoding="utf-8")
