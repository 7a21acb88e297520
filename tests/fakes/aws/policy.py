# SPDX-License-Identifier: MIT
"""What IAM policies allow: Allow and Deny with actions and resources as globs. Conditions are taken
as met, except those of a trust policy that name another account."""
from fnmatch import fnmatchcase

from errors import ACCOUNT

S3_ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket",
              "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject",
              "CompleteMultipartUpload": "PutObject", "DeleteObjects": "DeleteObject",
              "ListMultipartUploads": "ListBucketMultipartUploads", "CopyObject": "PutObject",
              "ListParts": "ListMultipartUploadParts", "ListBuckets": "ListAllMyBuckets"}


def listed(value):
    return value if isinstance(value, list) else [value]


def statements(documents):
    for document in documents:
        yield from listed(document.get("Statement", []))


def allows(documents, action, resource="*"):
    return decision(documents, action, resource) == "allowed"


def decision(documents, action, resource="*"):
    """Deny beats Allow beats nothing; in the words of SimulatePrincipalPolicy."""
    allowed = False
    for s in statements(documents):
        actions = [a.lower() for a in listed(s.get("Action", []))]
        if not any(fnmatchcase(action.lower(), a) for a in actions):
            continue
        resources = listed(s.get("Resource", "*"))
        if resource != "*" and not any(fnmatchcase(resource, r) for r in resources):
            continue
        if s["Effect"] == "Deny":
            return "explicitDeny"
        allowed = True
    return "allowed" if allowed else "implicitDeny"


def documents_of(state, role):
    """All policies of a role, inline and attached."""
    found = list(role["inline"].values())
    for arn in role["attached"]:
        policy = state.get("policy", arn)
        if policy:
            found.append(policy["versions"][policy["default"]]["document"])
    return found


def role_by_arn(state, arn):
    kind, name = state.by_arn.get(arn, (None, None))
    return state.get("role", name) if kind == "role" else None


def trusts_service(role, service):
    return any(s.get("Effect") == "Allow" and isinstance(s.get("Principal"), dict) and
               service in listed(s["Principal"].get("Service", []))
               for s in statements([role["trust"]]))


def trusts_caller(role, arn):
    welcome = ("*", arn, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    for s in statements([role["trust"]]):
        principal = s.get("Principal")
        who = listed(principal.get("AWS", [])) if isinstance(principal, dict) else ["*"]
        if s.get("Effect") == "Allow" and any(p in welcome for p in who):
            return True
    return False


def action_of(service, operation):
    if service == "s3":
        return "s3:" + S3_ACTIONS.get(operation, operation)
    return f"{service}:{operation}"


def may(state, context, service):
    """True if the caller may do this. Users without policies may do everything."""
    record = context.caller.record
    if "role" in record:
        role = state.get("role", record["role"])
        documents = documents_of(state, role) if role else []
    elif "policies" in record:
        documents = record["policies"]
    else:
        return True
    if service == "sts" and context.operation == "GetCallerIdentity":
        return True
    resource = f"arn:aws:s3:::{context.name}" if service == "s3" else "*"
    return allows(documents, action_of(service, context.operation), resource)
