# SPDX-License-Identifier: MIT
"""What the tests of prunes share: scripts, a daemon with runs, and copies of rows."""
import json
import sqlite3
import subprocess

from trainyardd import BUILD, wait_for

MAKE = """\
import os, pathlib, sys
model = pathlib.Path(os.environ['SM_MODEL_DIR'])
(model / 'config.json').write_text('{}')
(model / 'weights').write_bytes(b'w' * 300000)
(pathlib.Path(os.environ['SM_OUTPUT_DATA_DIR']) / 'said').write_text('kept')
for i in range(int(sys.argv[2])):
    print(f'line {i:06d}')
"""
TELL = """\
import os, pathlib
print('said', (pathlib.Path(os.environ['SM_CHANNEL_IN']) / 'said').read_text())
"""
COPY = """\
import os, shutil, sys
shutil.copytree(sys.argv[2], os.environ['SM_MODEL_DIR'], dirs_exist_ok=True)
"""
DEEP = """\
import os, sys
os.chdir(os.environ['SM_MODEL_DIR'])
for i in range(2000):
    os.mkdir('d')
    os.chdir('d')
os.chdir(os.environ['SM_OUTPUT_DATA_DIR'])
os.symlink(sys.argv[2], 'link')
os.makedirs('shut/in')
open('shut/in/file', 'w').close()
os.chmod('shut/in', 0)
os.chmod('shut', 0)
os.mkfifo('pipe')
"""


SOURCE = {"make.py": MAKE, "tell.py": TELL, "deep.py": DEEP, "copy.py": COPY}


class Yard:
    """A daemon of the test's own, and what its tests do to it."""

    def __init__(self, daemon, source):
        self.daemon, self.source = daemon, source

    def job(self, name="make", lines=3, **more):
        return {"name": name, "kind": "script", "entry_point": "make.py",
                "source_dir": str(self.source), "hyperparameters": {"lines": lines}, **more}

    def tell(self, where, **more):
        return {"name": "tell", "kind": "script", "entry_point": "tell.py",
                "source_dir": str(self.source), "channels": {"in": where}, **more}

    def run(self, *jobs, name="run", ends=True):
        answer = self.daemon.post("/v1/runs", {"name": name, "jobs": list(jobs) or [self.job()]})
        assert answer.status_code == 201, answer.text
        run = answer.json()
        for job in run["jobs"] if ends else ():
            assert self.daemon.wait_end(job["id"])["state"] == "succeeded"
        return run

    def delete(self, run, **params):
        return self.daemon.ask("DELETE", f"/v1/runs/{run}", params=params)

    def cli(self, *words, status=0):
        done = subprocess.run([BUILD / "cli/trainyard", "--url", self.daemon.url, *words],
                              text=True, capture_output=True, timeout=60)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    def prune(self, **body):
        answer = self.daemon.post("/v1/prune", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sql(self, text, *args):
        with sqlite3.connect(f"file:{self.daemon.data}/trainyard.db?mode=ro", uri=True) as db:
            return db.execute(text, args).fetchall()

    def folder(self, run):
        return [self.daemon.data / "executions" / row[0] for row in self.sql(
            "SELECT x.id FROM executions x JOIN jobs j ON j.id = x.job WHERE j.run = ?", run)]

    def wait_removed(self, run):
        """Until the files of the run are gone."""
        wait_for(f"the files of {run} to go", lambda: not self.sql(
            "SELECT 1 FROM prunes WHERE run = ?", run))
        trash = self.daemon.data / "executions/.trash"
        assert not list(trash.glob("x*"))
        wait_for("an empty trash", lambda: not list(trash.iterdir()))

    def sources(self):
        """The names of the frozen copies."""
        folder = self.daemon.data / "sources"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def source_of(self, run):
        [job] = self.daemon.get(f"/v1/runs/{run}")["jobs"]
        return self.daemon.get(f"/v1/jobs/{job['id']}")["spec"]["source_dir"].rsplit("/", 1)[1]


def copies(db, table, n, **changed):
    """n more rows like the first of the table; {} in a changed column is the number of the copy."""
    names = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[1] != "n"]
    what = ", ".join(f"replace('{changed[c]}', '{{}}', printf('%06d', i))" if c in changed
                     else f"t.{c}" for c in names)
    db.execute(f"WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < {n}) "
               f"INSERT INTO {table} ({', '.join(names)}) SELECT {what} FROM k, "
               f"(SELECT * FROM {table} LIMIT 1) t")


def crowd(yard, n):
    """A run that has ended, and n copies of its row; the daemon is stopped meanwhile."""
    run = yard.run()["id"]
    yard.daemon.stop()
    with sqlite3.connect(yard.daemon.data / "trainyard.db") as db:
        copies(db, "runs", n, id=run[:-6] + "{}")
    return run


def hold_all(yard, run, oldest):
    """Each copy of the run is held by the reference of a job of `run`; `oldest` is free."""
    with sqlite3.connect(yard.daemon.data / "trainyard.db") as db:
        db.execute("UPDATE runs SET finished_us = 1")
        [(job,)] = db.execute("SELECT id FROM jobs WHERE run = ?", (run,))
        db.execute("INSERT INTO pins (job, other, attempt) SELECT ?1, ?1, 1", (job,))
        db.execute("CREATE TEMP TABLE t AS SELECT * FROM jobs WHERE id = ?", (job,))
        names = [row[1] for row in db.execute("PRAGMA table_info(jobs)") if row[1] != "n"]
        what = ", ".join({"id": f"'{job[:-6]}' || substr(r.id, -6)", "run": "r.id"}.get(
            name, "t." + name) for name in names)
        db.execute(f"INSERT INTO jobs ({', '.join(names)}) SELECT {what} FROM runs r, t "
                   "WHERE r.id NOT IN (?, ?)", (run, oldest))
        db.execute("INSERT INTO pins (job, other, attempt) SELECT ?, j.id, 1 FROM jobs j "
                   "JOIN runs r ON r.id = j.run WHERE r.id NOT IN (?, ?)", (job, run, oldest))
        db.execute("DELETE FROM pins WHERE other = job")
        db.execute("UPDATE runs SET finished_us = 2 WHERE id = ?", (run,))  # the newest stays
