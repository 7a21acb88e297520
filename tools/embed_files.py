#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn files into one C table: embed_files.py OUT.c HEADER STRUCT TABLE FILE... → `const struct
STRUCT TABLE[]` of {name, text, length} and `TABLE_n`, as HEADER declares them."""
import pathlib
import sys


def rows(data):
    signed = [str(b - 256 if b > 127 else b) for b in data]
    return "".join("\t" + ",".join(signed[i:i + 24]) + ",\n" for i in range(0, len(signed), 24))


def main(out, header, struct, table, *paths):
    files = [(pathlib.Path(p).name, pathlib.Path(p).read_bytes()) for p in sorted(paths)]
    texts = "".join(f"static const char file_{i}[] = {{\n{rows(data)}\t0}};\n"
                    for i, (_, data) in enumerate(files))
    entries = "".join(f'\t{{"{name}", file_{i}, {len(data)}}},\n'
                      for i, (name, data) in enumerate(files))
    pathlib.Path(out).write_text(
        f'/* Made by tools/embed_files.py. */\n#include "{header}"\n\n{texts}\n'
        f"const struct {struct} {table}[] = {{\n{entries}}};\n"
        f"const size_t {table}_n = {len(files)};\n", encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
