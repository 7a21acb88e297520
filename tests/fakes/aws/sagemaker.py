# SPDX-License-Identifier: MIT
"""SageMaker's control plane: the table of operations, and tags."""
import checks
import endpoints
import models
import training
from errors import invalid
from lists import decode, encode
from protocol import JsonService

TAGS_MAX = 50
TAGS_PAGE = 50


def tagged(context, arn):
    kind, key = context.state.by_arn.get(arn.lower(), (None, None))
    if kind in ("training", "endpoint"):
        context.app.machines.advance(kind, key)
    record = context.state.get(kind, key) if kind else None
    if not record or "tags" not in record:
        raise invalid(f'Could not find resource "{arn}".')
    return kind, key, record


def add_tags(context, r):
    with context.state.lock:
        kind, key, record = tagged(context, r["ResourceArn"])
        merged = {t["Key"]: t["Value"] for t in record["tags"] + checks.tags(r["Tags"])}
        if len(merged) > TAGS_MAX:
            raise invalid(f"The number of tags exceeds the limit of {TAGS_MAX}.")
        record["tags"] = [{"Key": k, "Value": v} for k, v in merged.items()]
        context.state.put(kind, key, record)
        return {"Tags": record["tags"]}


def delete_tags(context, r):
    with context.state.lock:
        kind, key, record = tagged(context, r["ResourceArn"])
        record["tags"] = [t for t in record["tags"] if t["Key"] not in r["TagKeys"]]
        context.state.put(kind, key, record)
        return {}


def list_tags(context, r):
    with context.state.lock:
        _, _, record = tagged(context, r["ResourceArn"])
        start = decode(r["NextToken"]) if r.get("NextToken") else 0
        size = r.get("MaxResults", context.state.setting("tags_page", TAGS_PAGE))
        out = {"Tags": record["tags"][start:start + size]}
        if start + size < len(record["tags"]):
            out["NextToken"] = encode(start + size)
        return out


SERVICE = JsonService("sagemaker", "SageMaker", {
    "CreateTrainingJob": training.create, "DescribeTrainingJob": training.describe,
    "ListTrainingJobs": training.list_jobs, "StopTrainingJob": training.stop,
    "DeleteTrainingJob": training.delete,
    "CreateModel": models.create_model, "DescribeModel": models.describe_model,
    "DeleteModel": models.delete_model, "ListModels": models.list_models,
    "CreateEndpointConfig": models.create_config, "DescribeEndpointConfig": models.describe_config,
    "DeleteEndpointConfig": models.delete_config, "ListEndpointConfigs": models.list_configs,
    "CreateEndpoint": endpoints.create, "DescribeEndpoint": endpoints.describe,
    "UpdateEndpoint": endpoints.update, "DeleteEndpoint": endpoints.delete,
    "ListEndpoints": endpoints.list_endpoints,
    "AddTags": add_tags, "ListTags": list_tags, "DeleteTags": delete_tags})
