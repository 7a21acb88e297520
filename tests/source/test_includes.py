# SPDX-License-Identifier: MIT
"""Who may include whom, and the one owner of each third-party header (docs/design.md)."""
import re

from tree import ROOT, c_files, code, judge, text

# room: the rooms or single headers that it may include besides itself
MAY_INCLUDE = {
    "base": [],
    "jobs": ["base"],
    "wire": ["base", "jobs"],
    "config": ["base"],
    "storage": ["base", "jobs"],
    "net": ["base"],
    "aws": ["base", "net"],
    "shim": ["base", "wire"],
    "transfer": ["base", "jobs", "wire", "net", "aws", "worker/report.h",
                 "worker/dataset/configs.h"],
    "worker": ["base", "jobs", "wire", "net", "aws", "shim/oom.h"],
    "daemon": ["base", "jobs", "wire", "config", "storage", "net", "aws",
               "worker/sagemaker_script/container.h"],
    "api": ["base", "jobs", "daemon/account/account.h", "daemon/backup/backups.h",
            "daemon/manager.h", "daemon/feed.h",
            "storage/store_read.h", "wire/logfile.h"],
    "cli": ["base", "jobs", "net"],
}
FILE_MAY_INCLUDE = {"daemon/main.c": ["api"]}

# third-party header: the files (by beginning of their path) that may include it
OWNERS = {
    r"microhttpd\.h": ["api/server", "api/mhd", "api/reply", "api/bare",
                        "worker/serve/http"],
    r"sqlite3\.h": ["storage/db"],
    r"curl/": ["net/"],
    r"openssl/": ["base/hash", "aws/sigv4"],
    r"systemd/": ["base/loop", "daemon/systemd", "daemon/scope"],
    r"ini\.h": ["config/"],
    r"archive(_entry)?\.h": ["transfer/"],
    r"expat\.h": ["aws/xml"],
    r"pcre2\.h": ["jobs/log_metrics"],
    r"yaml\.h": ["worker/dataset/card_yaml"],
    r"(torch|ATen|c10|caffe2)/": ["worker/torch/"],
    r"(arrow|parquet)/": ["worker/arrow/"],
    r"jansson\.h": ["base/json.h"],
    r"cmocka\.h": ["tests/"],
}
QUOTED = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
ANGLED = re.compile(r"^\s*#\s*include\s+<([^>]+)>", re.MULTILINE)


def test_includes_are_root_relative():
    """A test may also include what lies beside it."""
    judge("include-path", [(path, f'"{name}" is not a path from the root') for path in c_files()
                           for name in QUOTED.findall(text(path)) if not (ROOT / name).is_file()
                           and not (path.parts[0] == "tests"
                                    and (ROOT / path.parent / name).is_file())])


def test_rooms_include_only_what_they_may():
    bad = []
    for path in c_files():
        room = path.parts[0]
        if room in ("tests", "bench", "examples"):
            continue
        if room not in MAY_INCLUDE:
            bad.append((path, f"the room {room}/ is not in the table"))
            continue
        allowed = [room, *MAY_INCLUDE[room], *FILE_MAY_INCLUDE.get(str(path), [])]
        bad += [(path, f'may not include "{name}"') for name in QUOTED.findall(text(path))
                if name not in allowed and name.split("/")[0] not in allowed]
    judge("include-room", bad)


def test_third_party_headers_have_one_owner():
    bad = []
    for path in c_files():
        for name in ANGLED.findall(code(path)):
            for header, owners in OWNERS.items():
                if re.match(header, name) and not any(str(path).startswith(o) for o in owners):
                    bad.append((path, f"<{name}> belongs to {', '.join(owners)}"))
    judge("include-owner", bad)


def test_the_design_says_the_same():
    """The table in docs/design.md is this one."""
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    table = page[page.index("| room | may include |"):].split("\n\n")[0].split("\n")[2:]
    said = {}
    for row in table:
        rooms, allowed = (cell.replace("`", "").strip() for cell in row.strip("|").split("|"))
        for room in rooms.split(", "):
            said[room] = set(allowed.split(", ")) - {"nothing"}
    assert said == {room: set(allowed) for room, allowed in MAY_INCLUDE.items()}
