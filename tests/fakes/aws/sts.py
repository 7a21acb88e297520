# SPDX-License-Identifier: MIT
"""STS: the caller's identity, and short-lived keys for roles."""
from errors import ACCOUNT, Fault
from policy import listed, role_by_arn, statements, trusts_caller
from protocol import QueryService

HOUR_S = 3600
WEB_TOKEN = "fake-web-identity-token"


def get_caller_identity(context, r):
    record = context.caller.record
    return {"UserId": record["id"], "Account": ACCOUNT, "Arn": record["principal"]}


def keys_for(context, role, session, seconds):
    """New keys of the role, good for `seconds`."""
    state = context.state
    with state.lock:
        key = f"ASIAFAKE{state.token(48).upper()}"
        secret, token = state.token(160), f"FwoFAKE{state.token(512)}"
        expires = state.now() + seconds
        principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['name']}/{session}"
        state.put("key", key, {"secret": secret, "token": token, "expires": expires,
                               "principal": principal, "id": f"{role['id']}:{session}",
                               "role": role["name"]})
    return {"Credentials": {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token,
                            "Expiration": expires},
            "AssumedRoleUser": {"AssumedRoleId": f"{role['id']}:{session}", "Arn": principal},
            "PackedPolicySize": 0}


def assume_role(context, r):
    role = role_by_arn(context.state, r["RoleArn"])
    who = context.caller.record["principal"]
    if not role or not trusts_caller(role, who):
        raise Fault("AccessDenied", f"User: {who} is not authorized to perform: sts:AssumeRole on "
                    f"resource: {r['RoleArn']}", 403)
    return keys_for(context, role, r["RoleSessionName"], r.get("DurationSeconds", HOUR_S))


def assume_with_web_identity(context, r):
    """The token that is accepted is the setting web_identity_token, else the one above."""
    role = role_by_arn(context.state, r["RoleArn"])
    if not role or not any("Federated" in s.get("Principal", {}) and
                           "sts:AssumeRoleWithWebIdentity" in listed(s["Action"])
                           for s in statements([role["trust"]])):
        raise Fault("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
    if r["WebIdentityToken"] != context.state.setting("web_identity_token", WEB_TOKEN):
        raise Fault("InvalidIdentityToken", "The web identity token that was passed could not be "
                    "validated")
    out = keys_for(context, role, r["RoleSessionName"], r.get("DurationSeconds", HOUR_S))
    return {**out, "SubjectFromWebIdentityToken": "trainyard", "Audience": "sts.amazonaws.com",
            "Provider": "oidc.example.com"}


SERVICE = QueryService("sts", "https://sts.amazonaws.com/doc/2011-06-15/", "2011-06-15", {
    "GetCallerIdentity": get_caller_identity, "AssumeRole": assume_role,
    "AssumeRoleWithWebIdentity": assume_with_web_identity})
