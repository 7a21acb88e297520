# SPDX-License-Identifier: MIT
"""IAM, read only: the roles and policies of roles.json, and those that an admin call adds."""
import json
import os
from urllib.parse import quote

import policy
from errors import ACCOUNT, Fault
from lists import decode, encode
from protocol import QueryService

PAGE = 100
CREATED = 1767225600.0
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "roles.json")


def preload(state):
    with open(FILE, encoding="utf-8") as f:
        given = json.load(f)
    for arn, policy in given["policies"].items():
        if not state.get("policy", arn):
            add_policy(state, arn, policy)
    for name, role in given["roles"].items():
        if not state.get("role", name):
            add_role(state, name, role)


def add_policy(state, arn, document, description=""):
    state.put("policy", arn, {
        "name": arn.rpartition("/")[2], "id": f"ANPAFAKE{abs(hash_of(arn)):012X}"[:21],
        "default": "v1", "created": CREATED, "description": description,
        "versions": {"v1": {"document": document, "created": CREATED}}})


def hash_of(text):
    return int.from_bytes(text.encode()[-6:], "big")


def add_role(state, name, role):
    path = role.get("path", "/")
    state.put("role", name, {
        "name": name, "path": path, "arn": f"arn:aws:iam::{ACCOUNT}:role{path}{name}",
        "id": f"AROAFAKE{hash_of(name):012X}"[:21], "created": CREATED,
        "trust": role["trust"], "attached": role.get("attached", []),
        "inline": role.get("inline", {}), "description": role.get("description"),
        "tags": role.get("tags", [])})


def role_of(context, name):
    role = context.state.get("role", name)
    if not role:
        raise Fault("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
    return role


def encoded(document):
    """Policies come URL-encoded (RFC 3986), as the operations' documentation says."""
    return quote(json.dumps(document), safe="")


def role_fields(role):
    fields = {"Path": role["path"], "RoleName": role["name"], "RoleId": role["id"],
              "Arn": role["arn"], "CreateDate": role["created"],
              "AssumeRolePolicyDocument": encoded(role["trust"]), "MaxSessionDuration": 3600}
    if role.get("description"):
        fields["Description"] = role["description"]
    return fields


def cut(r, rows, member):
    start = decode(r["Marker"]) if r.get("Marker") else 0
    size = r.get("MaxItems", PAGE)
    out = {member: rows[start:start + size], "IsTruncated": start + size < len(rows)}
    if out["IsTruncated"]:
        out["Marker"] = encode(start + size)
    return out


def list_roles(context, r):
    roles = sorted((x for x in context.state.all("role").values()
                    if x["path"].startswith(r.get("PathPrefix", "/"))), key=lambda x: x["name"])
    return cut(r, [role_fields(x) for x in roles], "Roles")


def get_role(context, r):
    role = role_of(context, r["RoleName"])
    return {"Role": {**role_fields(role), "RoleLastUsed": {}, **(
        {"Tags": role["tags"]} if role["tags"] else {})}}


def list_attached(context, r):
    rows = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}
            for arn in role_of(context, r["RoleName"])["attached"]]
    return cut(r, rows, "AttachedPolicies")


def policy_of(context, arn):
    policy = context.state.get("policy", arn)
    if not policy:
        raise Fault("NoSuchEntity", f"Policy {arn} was not found.", 404)
    return policy


def get_policy(context, r):
    arn = r["PolicyArn"]
    p = policy_of(context, arn)
    path = "/" + "/".join(arn.split(":policy/", 1)[1].split("/")[:-1])
    return {"Policy": {"PolicyName": p["name"], "PolicyId": p["id"], "Arn": arn,
                       "Path": path if path == "/" else path + "/",
                       "DefaultVersionId": p["default"], "AttachmentCount": 1,
                       "PermissionsBoundaryUsageCount": 0, "IsAttachable": True,
                       "CreateDate": p["created"], "UpdateDate": p["created"]}}


def get_policy_version(context, r):
    p = policy_of(context, r["PolicyArn"])
    version = p["versions"].get(r["VersionId"])
    if not version:
        raise Fault("NoSuchEntity", f"Policy {r['PolicyArn']} version {r['VersionId']} does not "
                    "exist or is not attachable.", 404)
    return {"PolicyVersion": {"Document": encoded(version["document"]), "VersionId": r["VersionId"],
                              "IsDefaultVersion": r["VersionId"] == p["default"],
                              "CreateDate": version["created"]}}


def list_inline(context, r):
    return cut(r, sorted(role_of(context, r["RoleName"])["inline"]), "PolicyNames")


def get_inline(context, r):
    role = role_of(context, r["RoleName"])
    if r["PolicyName"] not in role["inline"]:
        raise Fault("NoSuchEntity", f"The role policy with name {r['PolicyName']} cannot be found.",
                    404)
    return {"RoleName": role["name"], "PolicyName": r["PolicyName"],
            "PolicyDocument": encoded(role["inline"][r["PolicyName"]])}


def simulate(context, r):
    """What the policies of a role say of each action on each resource (botocore/data/iam,
    SimulatePrincipalPolicy)."""
    role = policy.role_by_arn(context.state, r["PolicySourceArn"])
    if not role:
        raise Fault("NoSuchEntity", f"The entity {r['PolicySourceArn']} cannot be found.", 404)
    documents = policy.documents_of(context.state, role)
    rows = [{"EvalActionName": action, "EvalResourceName": resource,
             "EvalDecision": policy.decision(documents, action, resource)}
            for action in r["ActionNames"] for resource in r.get("ResourceArns") or ["*"]]
    return cut(r, rows, "EvaluationResults")


SERVICE = QueryService("iam", "https://iam.amazonaws.com/doc/2010-05-08/", "2010-05-08", {
    "ListRoles": list_roles, "GetRole": get_role, "ListAttachedRolePolicies": list_attached,
    "GetPolicy": get_policy, "GetPolicyVersion": get_policy_version,
    "ListRolePolicies": list_inline, "GetRolePolicy": get_inline,
    "SimulatePrincipalPolicy": simulate})
