# SPDX-License-Identifier: MIT
"""What moves training jobs and endpoints on. Each has a count of beats; a beat is one tick of the
clock, one /_fake/step, or N looks at it (--auto N); each beat makes at most one step. Scenarios say
how long each status lasts and how the thing ends."""
import time
from fnmatch import fnmatchcase

import endpoints
import training

STEP = {"training": training.step, "endpoint": endpoints.step}
FINAL = {"training": training.is_final, "endpoint": endpoints.is_final}
MATCHES = {"name", "instance_type"}
FIELDS = {"training": {"fail", "fail_at", "hold", "beats", "runtime_s", "interrupt", "log_lag",
                       "log_tail", "lines", "metrics", "ignore_stop", "billable_s", "pending"},
          "endpoint": {"fail", "hold", "beats", "wrong_answers", "update_fail", "rollback_fail",
                       "log_lag", "log_tail"}}


class Machines:
    def __init__(self, app, tick, auto):
        self.app = app
        self.state = app.state
        self.tick = tick
        self.auto = auto

    def start(self, record):
        record.update(beats=0, epoch=time.time(), step0=self.state.setting("steps", 0), steps=0,
                      looks=0, in_status=0)

    def beats_due(self, record):
        due = self.state.setting("steps", 0) - record["step0"] + record["steps"]
        if self.tick > 0:
            due += int((time.time() - record["epoch"]) / self.tick)
        if self.auto:
            due += record["looks"] // self.auto
        return due

    def advance(self, kind, key, look=False):
        """Bring it up to now; the record, or None once it is gone. A look counts for the next."""
        record = self.state.get(kind, key)
        if not record:
            return None
        due = self.beats_due(record)
        record["looks"] += look
        changed = False
        while record["beats"] < due:
            if FINAL[kind](record):
                record["beats"] = due
                break
            record["beats"] += 1
            at = record["epoch"] + record["beats"] * self.tick if self.tick > 0 else time.time()
            at = min(at, time.time()) + self.state.setting("clock_offset_s", 0)
            STEP[kind](self.app, key, record, at)
            changed = True
            if self.state.get(kind, key) is not record:
                return None
        if changed:
            self.state.put(kind, key, record)
        return record

    def advance_all(self):
        with self.state.lock:
            for kind in STEP:
                for key, record in list(self.state.all(kind).items()):
                    if not FINAL[kind](record):
                        self.advance(kind, key)

    def beats(self, kind, key):
        """Beats of it up to now; None when it is gone."""
        record = self.state.get(kind, key)
        return max(record["beats"], self.beats_due(record)) if record else None

    def step(self, count, name=None):
        with self.state.lock:
            if name is None:
                self.state.set(steps=self.state.setting("steps", 0) + count)
            else:
                for kind in STEP:
                    for key, record in self.state.all(kind).items():
                        if fnmatchcase(record["name"], name):
                            record["steps"] += count
                            self.state.put(kind, key, record)
            self.advance_all()

    def add_scenario(self, scenario):
        kind = scenario.get("kind", "training")
        if kind not in FIELDS:
            raise ValueError("kind: training or endpoint")
        unknown = set(scenario) - FIELDS[kind] - {"kind", "match", "times"}
        unknown |= set(scenario.get("match", {})) - MATCHES
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        with self.state.lock:
            number = f"s{len(self.state.all('scenario')) + 1:04d}"
            self.state.put("scenario", number,
                           {**scenario, "kind": kind, "id": number, "bound": []})
            return number

    def fits(self, scenario, kind, name, instance_type):
        match = scenario.get("match", {})
        return scenario["kind"] == kind and fnmatchcase(name, match.get("name", "*")) and \
            fnmatchcase(instance_type or "", match.get("instance_type", "*"))

    def bind(self, kind, name, instance_type):
        """A scenario with `times` is for the first so many things that it fits."""
        for scenario in self.state.all("scenario").values():
            if scenario.get("times") and len(scenario["bound"]) < scenario["times"] and \
                    self.fits(scenario, kind, name, instance_type):
                scenario["bound"].append(name)
                self.state.put("scenario", scenario["id"], scenario)

    def scenario(self, kind, record):
        """What was ordered for it, merged; looked up each time, so that holds can be lifted."""
        merged = {}
        for scenario in self.state.all("scenario").values():
            if self.fits(scenario, kind, record["name"], record.get("instance_type")) and \
                    (not scenario.get("times") or record["name"] in scenario["bound"]):
                merged.update(scenario)
        merged.update(record.get("scenario", {}))
        return merged

    def stays(self, scenario, record, status):
        """True if it stays in `status` for this beat. Counts the beats spent in it."""
        if status in ([scenario["hold"]] if isinstance(scenario.get("hold"), str)
                      else scenario.get("hold", [])):
            return True
        record["in_status"] += 1
        return record["in_status"] < scenario.get("beats", {}).get(status, 1)
