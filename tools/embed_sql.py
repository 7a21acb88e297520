#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn migrations/NNNN_name.sql files into one C file: embed_sql.py OUT.c FILE.sql..."""
import json
import os
import re
import sys


def c_string(text):
    lines = text.splitlines(keepends=True) or [""]
    return "\n".join("\t " + json.dumps(line, ensure_ascii=True) for line in lines)


def main(out, paths):
    rows = []
    for number, path in enumerate(sorted(paths, key=os.path.basename), start=1):
        name = os.path.basename(path)
        match = re.fullmatch(r"(\d{4})_\w+\.sql", name)
        if not match or int(match.group(1)) != number:
            sys.exit(f"{path}: expected {number:04d}_name.sql, numbers without gaps")
        with open(path, encoding="ascii") as f:
            rows.append(f'\t{{{number}, "{name[:-4]}",\n{c_string(f.read())}}},')
    with open(out, "w", encoding="ascii") as f:
        f.write('/* Made by tools/embed_sql.py. */\n#include "storage/migrate.h"\n\n')
        f.write("const struct migration migrations[] = {\n" + "\n".join(rows) + "\n};\n")
        f.write("const size_t migrations_n = sizeof(migrations) / sizeof(migrations[0]);\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
