# SPDX-License-Identifier: MIT
"""The admin calls below /_fake/: what is there, what it costs, what was called, and trouble to
order. JSON in, JSON out, unsigned."""
import json
import math

import iam
import training
from errors import ACCOUNT
from httpd import Response


def handle(app, request):
    path = request.path.removeprefix("/_fake/").strip("/")
    noun, _, rest = path.partition("/")
    function = TABLE.get((request.method, noun))
    try:
        body = json.loads(request.body.data or b"{}")
        if not function:
            raise KeyError(f"there is no {request.method} /_fake/{noun}")
        status, value = 200, function(app, body, rest, request)
    except (ValueError, KeyError, TypeError) as e:
        status, value = 400, {"error": str(e)}
    return Response(status, json.dumps(value) + "\n", content_type="application/json")


def resources(app, body, rest, request):
    """Everything that exists; with ?live=1 without the training jobs that are over. `bills` is
    true for what costs money at this moment."""
    with app.state.lock:
        app.machines.advance_all()
        rows = []
        for kind in ("training", "model", "config", "endpoint"):
            for key in list(app.state.all(kind)):
                if kind in ("training", "endpoint"):
                    app.machines.advance(kind, key)
                record = app.state.get(kind, key)
                if record and not (request.params.get("live") and kind == "training" and
                                   training.is_final(record)):
                    rows.append(row(kind, record))
        uploads = [{"kind": "upload", "name": f"{u['bucket']}/{u['key']}", "status": "Open",
                    "id": u["id"], "bills": True} for u in app.state.all("upload").values()]
        buckets = [{"kind": "bucket", "name": n, "region": b["region"],
                    "objects": len(app.s3.objects(n))} for n, b in app.state.all("bucket").items()]
        return {"resources": rows + uploads, "buckets": buckets,
                "violations": app.state.setting("violations", [])}


WORDS = {"training": "training_job", "config": "endpoint_config"}


def row(kind, record):
    status = record.get("status", "Exists")
    if kind == "training":
        live = status not in training.FINAL_STATES or training.warm(record)
    elif kind == "endpoint":
        live = status != "Failed"
    else:
        live = False
    found = {"kind": WORDS.get(kind, kind), "name": record["name"], "arn": record["arn"],
             "region": record["region"], "status": status, "created": record["created"],
             "tags": {t["Key"]: t["Value"] for t in record["tags"]}, "bills": live}
    if kind == "training":
        found["secondary_status"] = record["secondary"]
        found["over"] = bool(record.get("over"))
    return found


def billing(app, body, rest, request):
    """Seconds that the account would be charged for."""
    with app.state.lock:
        app.machines.advance_all()
        rows = []
        for job in app.state.all("training").values():
            if job.get("over"):
                seconds = training.billable(job, app.machines.scenario("training", job))
                seconds += (job.get("warm") or {}).get("ResourceRetainedBillableTimeInSeconds", 0)
                rows.append({"kind": "training_job", "name": job["name"], "region": job["region"],
                             "instances": job["instances"], "seconds": seconds})
        rows += app.state.all("bill").values()
        for e in app.state.all("endpoint").values():
            if "in_service_since" in e:
                rows.append({"kind": "endpoint", "name": e["name"], "region": e["region"],
                             "instances": e["instances"], "running": True, "seconds":
                             math.ceil(app.state.now() - e["in_service_since"])})
        return {"items": rows, "seconds": sum(r["seconds"] for r in rows)}


def calls(app, body, rest, request):
    since = int(request.params.get("since", 0))
    rows = [c for c in app.calls[since:] if
            request.params.get("operation") in (None, c["operation"])]
    return {"calls": rows, "next": len(app.calls)}


def clear_calls(app, body, rest, request):
    app.calls.clear()
    return {}


def add_rules(app, body, rest, request):
    items = body if isinstance(body, list) else [body]
    return {"ids": [app.rules.add(dict(item)) for item in items]}


def add_scenarios(app, body, rest, request):
    items = body if isinstance(body, list) else [body]
    return {"ids": [app.machines.add_scenario(dict(item)) for item in items]}


def listing(kind):
    return lambda app, body, rest, request: {"items": list(app.state.all(kind).values())}


def removal(kind):
    def remove(app, body, rest, request):
        with app.state.lock:
            for key in [rest] if rest else list(app.state.all(kind)):
                app.state.delete(kind, key)
        return {}
    return remove


def step(app, body, rest, request):
    app.machines.step(int(body.get("count", 1)), body.get("name"))
    return {}


def reset(app, body, rest, request):
    with app.state.lock:
        if app.work:
            app.work.stop_all()
        if app.hosting:
            app.hosting.stop_all()
        app.state.reset()
        app.s3.sorted.clear()
        app.logs.index.clear()
        app.calls.clear()
        app.preload()
    return {}


SETTINGS = {"bucket_making_s", "clock_offset_s", "log_token_bytes", "quotas", "tags_page",
            "web_identity_token", "violations"}


def configure(app, body, rest, request):
    """clock_offset_s, log_token_bytes,
    quotas {"training": {"ml.g5.xlarge": 1}, "endpoint": {"*": 4}}, …"""
    unknown = set(body) - SETTINGS
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    with app.state.lock:
        app.state.set(**body)
    return {k: v for k, v in app.state.settings.items() if k in SETTINGS}


def add_bucket(app, body, rest, request):
    with app.state.lock:
        app.s3.make_bucket(body["name"], body.get("region", "us-east-1"),
                           body.get("owner", ACCOUNT))
    return {}


def add_role(app, body, rest, request):
    with app.state.lock:
        iam.add_role(app.state, body["name"], body)
        for arn, document in body.get("policies", {}).items():
            iam.add_policy(app.state, arn, document)
    return {}


def add_key(app, body, rest, request):
    """{"key", "secret", "token"?, "expires_in"?, "policies"?: [documents], "user"?}"""
    user = body.get("user", "someone")
    record = {"secret": body["secret"], "principal": f"arn:aws:iam::{ACCOUNT}:user/{user}",
              "id": f"AIDAFAKE{user.upper()}"[:21]}
    for field in ("token", "policies"):
        if field in body:
            record[field] = body[field]
    if "expires_in" in body:
        record["expires"] = app.state.now() + body["expires_in"]
    with app.state.lock:
        app.state.put("key", body["key"], record)
    return {}


TABLE = {("GET", "resources"): resources, ("GET", "billing"): billing, ("GET", "calls"): calls,
         ("DELETE", "calls"): clear_calls, ("POST", "rules"): add_rules,
         ("GET", "rules"): listing("rule"), ("DELETE", "rules"): removal("rule"),
         ("POST", "scenarios"): add_scenarios, ("GET", "scenarios"): listing("scenario"),
         ("DELETE", "scenarios"): removal("scenario"), ("POST", "step"): step,
         ("POST", "reset"): reset, ("POST", "settings"): configure, ("GET", "settings"): configure,
         ("POST", "buckets"): add_bucket, ("POST", "roles"): add_role,
         ("DELETE", "roles"): removal("role"), ("POST", "keys"): add_key,
         ("DELETE", "keys"): removal("key")}
