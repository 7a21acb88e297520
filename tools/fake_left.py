# SPDX-License-Identifier: MIT
"""fake_left.py URL: print what the fake of AWS at URL would charge, and which resources exist."""
import json
import sys
import urllib.request


def get(path):
    with urllib.request.urlopen(f"{sys.argv[1]}/_fake/{path}", timeout=30) as reply:
        return json.load(reply)


for item in get("billing")["items"]:
    machines = ", ".join(f"{count} {name}" for name, count in item["instances"].items())
    print(f"{item['seconds']:>6} billable seconds of {machines or 'serverless'}: {item['name']}")
left = [r["name"] for r in get("resources?live=1")["resources"]]
print("left in the account:", ", ".join(left) or "nothing that runs or costs")
