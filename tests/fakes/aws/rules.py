# SPDX-License-Identifier: MIT
"""Trouble on order. A rule meets calls by operation and name; it lets the first `after` of them
pass, then strikes `times` times (0: for ever). What each `do` does is in README.md."""
import time
from fnmatch import fnmatchcase

from errors import Fault, internal
from httpd import Drop, Response

POLL_S = 0.05
HANG_S = 3600
BEFORE = {"throttle", "error_500", "error_503", "error", "html", "expired_token", "access_denied",
          "quota", "hang", "drop_before", "reset", "stale", "delay", "model_error",
          "model_not_ready", "answer"}
AFTER = {"drop_after", "reset_after", "hang_after", "error_after", "cut", "error_in_200"}
MARKS = {"capacity", "stale_list"}
KNOWN = BEFORE | AFTER | MARKS
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"

NOT_FOUND = {
    "TrainingJob": ("ValidationException", "Requested resource not found."),
    "EndpointConfig": ("ValidationException", 'Could not find endpoint configuration "{}".'),
    "CreateEndpoint": ("ValidationException", 'Could not find endpoint configuration "{}".'),
    "Endpoint": ("ValidationException", 'Could not find endpoint "{}".'),
    "Model": ("ValidationException", 'Could not find model "{}".'),
    "Tags": ("ValidationException", 'Could not find resource "{}".'),
    "Role": ("NoSuchEntity", "The role with name {} cannot be found."),
    "Log": ("ResourceNotFoundException", "The specified log group does not exist."),
}


class Rules:
    def __init__(self, state):
        self.state = state

    def add(self, rule):
        if rule.get("do") not in KNOWN:
            raise ValueError(f"do: one of {', '.join(sorted(KNOWN))}")
        unknown = set(rule) - {"operation", "match", "times", "after", "do", "seconds", "code",
                               "message", "status", "probability"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        with self.state.lock:
            number = f"r{len(self.state.all('rule')) + 1:04d}"
            self.state.put("rule", number, {**rule, "id": number, "seen": 0, "hits": 0})
            return number

    def find(self, operation, name):
        """The rule that strikes this call, counted."""
        if not self.state.kinds["rule"]:
            return None
        with self.state.lock:
            for rule in self.state.all("rule").values():
                if self.strikes(rule, operation, name):
                    return rule
        return None

    def strikes(self, rule, operation, name):
        times = rule.get("times", 1)
        if times and rule["hits"] >= times:
            return False
        if not fnmatchcase(operation, rule.get("operation", "*")) or \
                not fnmatchcase(name or "", rule.get("match", {}).get("name", "*")):
            return False
        rule["seen"] += 1
        hit = rule["seen"] > rule.get("after", 0) and \
            self.state.random.random() < rule.get("probability", 1)
        rule["hits"] += hit
        self.state.put("rule", rule["id"], rule)
        return hit


def wait(connection, seconds):
    """Hold the reply until the time is over or the other side has hung up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not connection.client_gone():
        time.sleep(min(POLL_S, max(0, end - time.monotonic())))


def throttled(service):
    if service == "s3":
        return Fault("SlowDown", "Please reduce your request rate.", 503)
    if service in ("iam", "sts", "monitoring"):
        return Fault("Throttling", "Rate exceeded")
    return Fault("ThrottlingException", "Rate exceeded")


def expired(service):
    if service in ("s3", "iam", "sts", "monitoring"):
        return Fault("ExpiredToken", "The provided token has expired.",
                     400 if service == "s3" else 403)
    return Fault("ExpiredTokenException", "The security token included in the request is expired")


def denied(service, context, resource="*"):
    who = context.caller.record.get("principal", "anonymous")
    text = (f"User: {who} is not authorized to perform: {service}:{context.operation} on resource: "
            f"{resource} because no identity-based policy allows the {service}:{context.operation} "
            "action")
    if service == "s3":
        return Fault("AccessDenied", text, 403)
    if service in ("iam", "sts", "monitoring"):
        return Fault("AccessDenied", text, 403)
    return Fault("AccessDeniedException", text)


def stale(context):
    operation, name = context.operation, context.name
    if context.caller.service == "s3":
        return Fault("NoSuchKey", "The specified key does not exist.", 404)
    for word in ("CreateEndpoint", *[w for w in NOT_FOUND if w != "CreateEndpoint"]):
        if operation == word or (word in operation and word != "CreateEndpoint"):
            code, text = NOT_FOUND[word]
            return Fault(code, text.format(name), 404 if code == "NoSuchEntity" else 400)
    return Fault("ValidationException", "Requested resource not found.")


def quota(context):
    return Fault("ResourceLimitExceeded", "The account-level service limit 'ml.g5.xlarge for "
                 "training job usage' is 0 Instances, with current utilization of 0 Instances and "
                 "a request delta of 1 Instances. Please use AWS Service Quotas to request an "
                 "increase for this quota. If AWS Service Quotas is not available, contact AWS "
                 "support to request an increase for this quota.")


def strike_before(rule, context, connection):
    """What happens instead of the call: a reply, Drop, a Fault; None lets the call go on."""
    do, service = rule["do"], context.caller.service
    seconds = rule.get("seconds", HANG_S if do.startswith("hang") else 1)
    if do == "delay":
        wait(connection, seconds)
    elif do == "hang":
        wait(connection, seconds)
        return Drop()
    elif do in ("drop_before", "reset"):
        return Drop(reset=do == "reset")
    elif do == "answer":
        return Response(200, rule.get("message", "").encode(), content_type="application/json")
    elif do == "html":
        return Response(rule.get("status", 502), PAGE, content_type="text/html")
    elif do == "model_error":
        raise Fault("ModelError", 'Received server error (500) from primary with message "…"', 424,
                    OriginalStatusCode=500, OriginalMessage=rule.get("message", "worker died"))
    elif do == "model_not_ready":
        raise Fault("ModelNotReadyException", "The model is not ready", 429)
    elif do not in AFTER and do not in MARKS:
        raise fault_of(do, rule, context, service)
    return None


def fault_of(do, rule, context, service):
    if do == "throttle":
        return throttled(service)
    if do == "error_500":
        return Fault("InternalError", "We encountered an internal error. Please try again.", 500) \
            if service == "s3" else internal()
    if do == "error_503":
        return Fault("ServiceUnavailable", "Service is unable to handle request.", 503)
    if do == "expired_token":
        return expired(service)
    if do == "access_denied":
        return denied(service, context)
    if do == "quota":
        return quota(context)
    if do == "stale":
        return stale(context)
    return Fault(rule.get("code", "ValidationException"), rule.get("message", "as ordered"),
                 rule.get("status", 400))


def strike_after(rule, context, connection, response):
    """What becomes of the reply to a call that was carried out."""
    do = rule["do"]
    if do in ("drop_after", "reset_after"):
        return Drop(reset=do == "reset_after")
    if do == "hang_after":
        wait(connection, rule.get("seconds", HANG_S))
        return Drop()
    if do == "error_after":
        raise Fault("InternalFailure", "We encountered an internal error. Please try again.", 500)
    if do == "cut":
        response.cut = True
    return response
