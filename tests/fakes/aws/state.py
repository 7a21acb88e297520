# SPDX-License-Identifier: MIT
"""The state of the fake, in memory and in DIR/state.db, so that a killed fake restarts with all of
it. One lock guards everything; `put` writes through."""
import contextlib
import json
import os
import random
import sqlite3
import threading
import time
from collections import defaultdict


class State:
    def __init__(self, directory, seed):
        self.dir = os.path.abspath(directory)
        os.makedirs(os.path.join(self.dir, "objects"), exist_ok=True)
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.seed = seed
        self.kinds = defaultdict(dict)
        self.by_arn = {}
        self.db = sqlite3.connect(os.path.join(self.dir, "state.db"), check_same_thread=False,
                                  isolation_level=None)
        # The system keeps what was written when this process dies; power cuts do not matter here.
        for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF",
                     "CREATE TABLE IF NOT EXISTS records(kind TEXT, name TEXT, value TEXT,"
                     " PRIMARY KEY(kind, name)) WITHOUT ROWID",
                     "CREATE TABLE IF NOT EXISTS log_events(stream TEXT, n INTEGER, value TEXT,"
                     " PRIMARY KEY(stream, n)) WITHOUT ROWID"):
            self.db.execute(line)
        for kind, name, value in self.db.execute("SELECT kind, name, value FROM records"):
            self._keep(kind, name, json.loads(value))
        self.log_events = defaultdict(list)
        for stream, value in self.db.execute("SELECT stream, value FROM log_events ORDER BY 1, n"):
            self.log_events[stream].append(json.loads(value))
        self.settings = self.kinds["settings"].setdefault("all", {})

    def _keep(self, kind, name, value):
        self.kinds[kind][name] = value
        if isinstance(value, dict) and "arn" in value:
            self.by_arn[value["arn"]] = (kind, name)

    def put(self, kind, name, value):
        self._keep(kind, name, value)
        self.db.execute("INSERT OR REPLACE INTO records VALUES(?, ?, ?)",
                        (kind, name, json.dumps(value)))

    def get(self, kind, name):
        return self.kinds[kind].get(name)

    def all(self, kind):
        return self.kinds[kind]

    def delete(self, kind, name):
        value = self.kinds[kind].pop(name, None)
        if value is not None:
            if isinstance(value, dict):
                self.by_arn.pop(value.get("arn"), None)
            self.db.execute("DELETE FROM records WHERE kind = ? AND name = ?", (kind, name))

    def setting(self, name, default=None):
        return self.settings.get(name, default)

    def set(self, **values):
        self.settings.update(values)
        self.put("settings", "all", self.settings)

    def add_log(self, stream, event):
        events = self.log_events[stream]
        self.db.execute("INSERT INTO log_events VALUES(?, ?, ?)",
                        (stream, len(events), json.dumps(event)))
        events.append(event)

    def drop_log(self, stream):
        self.log_events.pop(stream, None)
        self.db.execute("DELETE FROM log_events WHERE stream = ?", (stream,))

    def now(self):
        return time.time() + self.setting("clock_offset_s", 0)

    def token(self, bits=128):
        """Random hexadecimal digits, the same for the same seed and order of calls."""
        with self.lock:
            return f"{self.random.getrandbits(bits):0{bits // 4}x}"

    def reset(self):
        with self.lock:
            self.db.execute("DELETE FROM records")
            self.db.execute("DELETE FROM log_events")
            self.kinds.clear()
            self.by_arn.clear()
            self.log_events.clear()
            self.settings = self.kinds["settings"].setdefault("all", {})
            self.random = random.Random(self.seed)
            folder = os.path.join(self.dir, "objects")
            for name in os.listdir(folder):
                with contextlib.suppress(FileNotFoundError):  # a request's own, which it removes
                    os.unlink(os.path.join(folder, name))
