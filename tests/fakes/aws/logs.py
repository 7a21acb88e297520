# SPDX-License-Identifier: MIT
"""CloudWatch Logs: groups, streams, and events that may come late. A stream exists once its first
event can be seen. The same forward token twice means the end for now; an empty page does not."""
import fnmatch
import time
from collections import OrderedDict

from errors import ACCOUNT, Fault
from lists import decode, encode
from protocol import JsonService

PAGE_MAX = 10_000
BYTES_MAX = 1 << 20
EVENT_OVERHEAD = 26
EMPTY_EVERY = 3
STREAMS_PAGE = 50


def key_of(region, group, stream):
    return f"{region}\0{group}\0{stream}"


class Logs:
    def __init__(self, app):
        self.app = app
        self.state = app.state
        self.index = {}
        for key in self.state.log_events:
            self.note(key)

    def note(self, key):
        region, group, stream = key.split("\0")
        self.index.setdefault((region, group), OrderedDict())[stream] = key

    def write(self, group, stream, message, region, due=None, of=None, at=None):
        now = int(self.state.now() * 1000)
        event = {"t": at or now, "i": now, "m": message}
        if due is not None:
            event.update(due=due, of=of)
        key = key_of(region, group, stream)
        with self.state.lock:
            if key not in self.state.log_events:
                self.note(key)
            self.state.add_log(key, event)

    def visible(self, key, look=False):
        """The events of a stream that can be seen by now: a prefix of it."""
        events = self.state.log_events.get(key, [])
        beats = {}
        for n, event in enumerate(events):
            if event.get("due") is None:
                continue
            of = tuple(event["of"])
            if of not in beats:
                if look:
                    self.app.machines.advance(*of, look=True)
                beats[of] = self.app.machines.beats(*of)
            if beats[of] is not None and beats[of] < event["due"]:
                return events[:n]
        return events

    def streams(self, region, group):
        """name → visible events, of the streams that can be seen."""
        found = {}
        for stream, key in self.index.get((region, group), {}).items():
            events = self.visible(key)
            if events or self.state.get("log_stream", key):
                found[stream] = events
        return found

    def must_exist(self, region, group):
        made = self.state.get("log_group", f"{region}\0{group}")
        if not made and not self.streams(region, group):
            raise Fault("ResourceNotFoundException", "The specified log group does not exist.")


def group_of(r):
    name = r.get("logGroupName")
    if not name:
        name = r.get("logGroupIdentifier", "").rpartition(":log-group:")[2]
    if not name:
        raise Fault("InvalidParameterException", "Exactly one of logGroupName and "
                    "logGroupIdentifier must be given.")
    return name


def get_log_events(context, r):
    logs, group = context.app.logs, group_of(r)
    key = key_of(context.region, group, r["logStreamName"])
    with context.state.lock:
        events = logs.visible(key, look=True)
        logs.must_exist(context.region, group)
        if not events and not context.state.get("log_stream", key):
            raise Fault("ResourceNotFoundException", "The specified log stream does not exist.")
        limit = r.get("limit", PAGE_MAX)
        direction, at, phase = "f", 0, 0
        if r.get("nextToken"):
            direction, at, phase = read_token(r["nextToken"])
            if direction == "f" and not r.get("startFromHead"):
                raise Fault("InvalidParameterException", "startFromHead must be true when "
                            "nextForwardToken is used as nextToken.")
        elif not r.get("startFromHead"):
            direction, at = "b", len(events)
        if direction == "b":  # the newest before `at`
            page = cut(events[max(0, at - limit):at][::-1])[::-1]
            first, after, phase = at - len(page), at, 0
        elif r.get("nextToken") and at < len(events) and phase == 0 and at and not at % EMPTY_EVERY:
            page, first, after, phase = [], at, at, 1
        else:
            page = cut(events[at:at + limit])
            first, after = at, at + len(page)
            phase = phase if not page else 0
        page = [e for e in page if r.get("startTime", 0) <= e["t"] < r.get("endTime", 1 << 62)]
        digits = context.state.setting("log_token_bytes", 58) - len("f/") - 1
        return {"events": [shape(e) for e in page],
                "nextForwardToken": f"f/{after:0{digits}d}{phase}",
                "nextBackwardToken": f"b/{first:055d}0"}


def cut(events):
    """At most 1 MiB of them."""
    total = 0
    for n, event in enumerate(events):
        total += len(event["m"].encode()) + EVENT_OVERHEAD
        if total > BYTES_MAX and n:
            return events[:n]
    return events


def read_token(text):
    try:
        direction, number = text.split("/")
        return {"f": "f", "b": "b"}[direction], int(number[:-1]), int(number[-1])
    except (ValueError, KeyError):
        raise Fault("InvalidParameterException", "The specified nextToken is invalid.") from None


def shape(event):
    return {"timestamp": event["t"], "message": event["m"], "ingestionTime": event["i"]}


def describe_streams(context, r):
    logs, group = context.app.logs, group_of(r)
    prefix, order = r.get("logStreamNamePrefix", ""), r.get("orderBy", "LogStreamName")
    if prefix and order == "LastEventTime":
        raise Fault("InvalidParameterException", "Cannot order by LastEventTime with a "
                    "logStreamNamePrefix.")
    with context.state.lock:
        for job in [k for k in context.state.all("training") if k.startswith(
                f"{context.region}/{prefix.split('/')[0]}")] if prefix else []:
            context.app.machines.advance("training", job, look=True)
        logs.must_exist(context.region, group)
        rows = [describe_stream(context, group, name, events)
                for name, events in logs.streams(context.region, group).items()
                if name.startswith(prefix)]
    rows.sort(key=lambda s: s["logStreamName"] if order == "LogStreamName"
              else s.get("lastEventTimestamp", 0), reverse=r.get("descending", False))
    return paged(r, "logStreams", rows, r.get("limit", STREAMS_PAGE))


def describe_stream(context, group, name, events):
    arn = f"arn:aws:logs:{context.region}:{ACCOUNT}:log-group:{group}:log-stream:{name}"
    s = {"logStreamName": name, "arn": arn, "storedBytes": 0,
         "creationTime": events[0]["i"] if events else 0, "uploadSequenceToken": "0"}
    if events:
        s.update(firstEventTimestamp=events[0]["t"], lastEventTimestamp=events[-1]["t"],
                 lastIngestionTime=events[-1]["i"])
    return s


def paged(r, member, rows, size):
    start = decode(r["nextToken"]) if r.get("nextToken") else 0
    out = {member: rows[start:start + size]}
    if start + size < len(rows):
        out["nextToken"] = encode(start + size)
    return out


def describe_groups(context, r):
    with context.state.lock:
        names = {g for region, g in context.app.logs.index if region == context.region
                 and context.app.logs.streams(region, g)}
        names |= {n.split("\0")[1] for n in context.state.all("log_group")
                  if n.startswith(context.region + "\0")}
    rows = [{"logGroupName": n, "arn": f"arn:aws:logs:{context.region}:{ACCOUNT}:log-group:{n}:*",
             "storedBytes": 0, "metricFilterCount": 0}
            for n in sorted(names) if n.startswith(r.get("logGroupNamePrefix", ""))]
    return paged(r, "logGroups", rows, r.get("limit", STREAMS_PAGE))


def filter_events(context, r):
    logs, group = context.app.logs, group_of(r)
    with context.state.lock:
        logs.must_exist(context.region, group)
        rows = []
        for name, events in logs.streams(context.region, group).items():
            if name in r.get("logStreamNames", [name]) and \
                    name.startswith(r.get("logStreamNamePrefix", "")):
                rows += [{**shape(e), "logStreamName": name, "eventId": f"{e['t']:020d}{n:036d}"}
                         for n, e in enumerate(events)
                         if r.get("startTime", 0) <= e["t"] <= r.get("endTime", 1 << 62)]
    wanted = r.get("filterPattern", "").strip('"')
    rows = [e for e in rows if not wanted or fnmatch.fnmatch(e["message"], f"*{wanted}*")]
    rows.sort(key=lambda e: (e["timestamp"], e["eventId"]))
    return paged(r, "events", rows, r.get("limit", PAGE_MAX))


def create_group(context, r):
    key = f"{context.region}\0{r['logGroupName']}"
    with context.state.lock:
        if context.state.get("log_group", key):
            raise Fault("ResourceAlreadyExistsException", "The specified log group already exists")
        context.state.put("log_group", key, {"created": time.time()})


def create_stream(context, r):
    key = key_of(context.region, r["logGroupName"], r["logStreamName"])
    with context.state.lock:
        context.app.logs.must_exist(context.region, r["logGroupName"])
        if context.state.get("log_stream", key):
            raise Fault("ResourceAlreadyExistsException", "The specified log stream already exists")
        context.state.put("log_stream", key, {"created": time.time()})
        context.app.logs.note(key)


def put_events(context, r):
    key = key_of(context.region, r["logGroupName"], r["logStreamName"])
    if not context.state.get("log_stream", key):
        raise Fault("ResourceNotFoundException", "The specified log stream does not exist.")
    for e in r["logEvents"]:
        context.app.logs.write(r["logGroupName"], r["logStreamName"], e["message"], context.region,
                               at=e["timestamp"])
    return {"nextSequenceToken": "0"}


def delete_group(context, r):
    with context.state.lock:
        context.app.logs.must_exist(context.region, r["logGroupName"])
        for key in context.app.logs.index.pop((context.region, r["logGroupName"]), {}).values():
            context.state.drop_log(key)
            context.state.delete("log_stream", key)
        context.state.delete("log_group", f"{context.region}\0{r['logGroupName']}")


SERVICE = JsonService("logs", "Logs_20140328", {
    "GetLogEvents": get_log_events, "DescribeLogStreams": describe_streams,
    "DescribeLogGroups": describe_groups, "FilterLogEvents": filter_events,
    "CreateLogGroup": create_group, "CreateLogStream": create_stream, "PutLogEvents": put_events,
    "DeleteLogGroup": delete_group})
