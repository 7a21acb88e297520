#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn a file into a C array: embed.py FILE OUT.c NAME → `const char NAME[]`, `NAME_len`."""
import pathlib
import sys

source, out, name = sys.argv[1:]
data = pathlib.Path(source).read_bytes()
signed = [str(b - 256 if b > 127 else b) for b in data]
rows = "".join("\t" + ",".join(signed[i:i + 24]) + ",\n" for i in range(0, len(signed), 24))
pathlib.Path(out).write_text(
    f"extern const char {name}[];\nextern const unsigned long {name}_len;\n"
    f"const char {name}[] = {{\n{rows}\t0}};\nconst unsigned long {name}_len = {len(data)};\n")
