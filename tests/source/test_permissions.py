# SPDX-License-Identifier: MIT
"""The policies in docs/operations.md name the actions of the calls that the code makes, no more and
no less."""
import json
import re

from tree import ROOT

OPERATION = re.compile(r'"((?:Create|Describe|Update|Stop|Delete|Invoke|List|Get|Head|Put|Upload|'
                       r'Abort|Complete)[A-Z][A-Za-z0-9]*)"')
NOT_CALLS = {"CreateDate", "UpdateRollbackFailed"}  # of answers
NO_PERMISSION = {"GetCallerIdentity"}
ALSO_NEEDED = {"AddTags", "PassRole"}  # by the Create calls
# S3's actions are named otherwise (Service Authorization Reference, "Actions defined by Amazon S3")
S3_ACTIONS = {"HeadObject": "GetObject", "GetObject": "GetObject", "PutObject": "PutObject",
              "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject",
              "CompleteMultipartUpload": "PutObject", "ListObjectsV2": "ListBucket",
              "HeadBucket": "ListBucket", "CreateBucket": "CreateBucket",
              "AbortMultipartUpload": "AbortMultipartUpload",
              "ListMultipartUploads": "ListBucketMultipartUploads",
              "ListParts": "ListMultipartUploadParts", "DeleteObject": "DeleteObject"}


def policies():
    """Of the daemon's identity, of the execution role: {service: {action}}."""
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
    found = []
    for document in map(json.loads, blocks):
        found.append({})
        for statement in document["Statement"]:
            actions = statement["Action"]
            for action in [actions] if isinstance(actions, str) else actions:
                service, _, name = action.partition(":")
                assert name not in found[-1].setdefault(service, set()) or service == "s3", action
                found[-1][service].add(name)
    assert len(found) == 2
    return found


def operations(files):
    return {name for path in files for name in OPERATION.findall(path.read_text())} - NOT_CALLS


def s3_operations_used():
    """Those of aws/s3.c whose function somebody calls."""
    source = (ROOT / "aws/s3.c").read_text()
    made = re.findall(r'^void (s3_\w+)\((?:.|\n)*?begin\(c, "(\w+)"', source, re.MULTILINE)
    callers = "".join(path.read_text() for room in ("transfer", "daemon")
                      for path in sorted((ROOT / room).rglob("*.c")))
    used = {name for function, name in made if re.search(rf"\b{function}\b", callers)}
    assert len(used) > 5
    return used


def test_the_daemon_may_do_what_it_does():
    daemon = policies()[0]
    wanted = operations(sorted((ROOT / "daemon").rglob("*.c"))) - NO_PERMISSION
    named = {name for service, names in daemon.items() if service != "s3" for name in names}
    assert named == wanted | ALSO_NEEDED
    assert daemon["s3"] == {S3_ACTIONS[name] for name in s3_operations_used()}


def test_the_role_may_do_what_a_job_needs():
    """The list that GET /v1/roles/{name} checks."""
    checked = set(re.findall(r'"((?:s3|ecr|logs|cloudwatch):\w+)"',
                             (ROOT / "daemon/account/checks.c").read_text()))
    role = {f"{service}:{name}" for service, names in policies()[1].items() for name in names}
    assert checked and checked <= role
    assert role - checked == {"s3:AbortMultipartUpload"}
