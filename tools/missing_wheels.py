# SPDX-License-Identifier: MIT
"""missing_wheels.py FILE...: print the pinned requirements of FILEs that this Python does not have.

Only lines of the form NAME==VERSION count. A local version ("2.13.0+cpu") satisfies "2.13.0".
"""
import sys
from importlib import metadata


def pins(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            name, sep, version = line.split("#")[0].strip().partition("==")
            if sep:
                yield name, version


def installed(name):
    try:
        return metadata.version(name).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


for file in sys.argv[1:]:
    for wanted, pinned in pins(file):
        if installed(wanted) != pinned:
            print(f"{wanted}=={pinned}")
