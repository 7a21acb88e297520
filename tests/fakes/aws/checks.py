# SPDX-License-Identifier: MIT
"""The checks of SageMaker beyond the form of a request: role, image, data, quota, tags."""
import re

import policy
from errors import ACCOUNT, Fault, invalid

ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?)/([a-z0-9._/-]+)"
                 r"(?::([\w.-]+)|@sha256:[0-9a-f]{64})$")
DLC = re.compile(r"\d+\.\d+\.\d+-transformers\d+\.\d+\.\d+-(gpu|cpu)-py\d+-(cu\d+-)?"
                 r"ubuntu\d+\.\d+$")
QUOTA_DEFAULT = 100
ENVIRONMENT_TEXT_MAX, ENVIRONMENT_MAX = 1024, 32 << 10
MISSING = re.compile(r"missing|0\.0\.0")


def arn(region, kind, name):
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{name.lower()}"


def role(state, role_arn):
    """The role, if SageMaker may assume it."""
    found = policy.role_by_arn(state, role_arn)
    if not found or not policy.trusts_service(found, "sagemaker.amazonaws.com"):
        raise invalid(f"Could not assume role {role_arn}. Please ensure that the role exists and "
                      "allows principal 'sagemaker.amazonaws.com' to assume the role.")
    return found


def role_may(state, role_arn, action, resource):
    found = policy.role_by_arn(state, role_arn)
    return bool(found) and policy.allows(policy.documents_of(state, found), action, resource)


def image_exists(image, region):
    """Images of the public deep learning registries in their usual form, and any of this account's
    whose name does not say `missing`."""
    found = ECR.match(image)
    if not found or found[2] != region or MISSING.search(image):
        return False
    if found[1] == ACCOUNT:
        return True
    if found[4].startswith("huggingface-pytorch-") and found[5]:
        tag = DLC.match(found[5])
        return bool(tag) and not (found[4].endswith("-training") and tag[1] == "cpu")
    return bool(found[5])


def bucket_key(uri):
    bucket, _, key = uri.split("://", 1)[1].partition("/")
    return bucket, key


def data_problem(app, region, role_arn, uri, prefix):
    """Why the service could not read `uri` as this role; None: it can."""
    bucket, key = bucket_key(uri)
    record = app.s3.bucket_record(bucket)
    if not record:
        return "NoSuchBucket (404): The specified bucket does not exist"
    if record["region"] != region:
        return (f"PermanentRedirect (301): The bucket is in this region: {record['region']}. "
                "Please use this region to retry the request")
    if not role_may(app.state, role_arn, "s3:GetObject", f"arn:aws:s3:::{bucket}/{key}") or \
            (prefix and not role_may(app.state, role_arn, "s3:ListBucket",
                                     f"arn:aws:s3:::{bucket}")):
        return "AccessDenied (403): Access Denied"
    keys = app.s3.keys(bucket, key) if prefix else [k for k in (key,) if app.s3.meta(bucket, k)]
    if not keys:
        return (f'No S3 objects found under S3 URL "{uri}" given in input data source. Please '
                f"ensure that the bucket exists in the selected region ({region}), that objects "
                f'exist under that S3 prefix, and that the role "{role_arn}" has "s3:ListBucket" '
                f'permissions on bucket "{bucket}".')
    return None


def has_local_disks(instance_type):
    """The SDK's rule (sagemaker/utils.py, volume_size_supported and instance_supports_kms): any
    family with a "d", and g5."""
    family = instance_type.split(".")[1]
    return "d" in family or family.startswith("g5")


def no_key_for_local_disks(member, instance_type):
    """"You can't request a VolumeKmsKeyId when using an instance type with local storage"
    (botocore/data/sagemaker, ResourceConfig$VolumeKmsKeyId; CreateEndpointConfigInput$KmsKeyId)."""
    if has_local_disks(instance_type):
        raise invalid(f"{member} is not supported for the instance type {instance_type}: its local "
                      "storage volumes are encrypted using a hardware module on the instance.")


def environment(maps):
    """"The maximum length of each key and value in the Environment map is 1024 bytes. The maximum
    length of all keys and values in the map, combined, is 32 KB", those of several containers
    together (botocore/data/sagemaker, ContainerDefinition$Environment)."""
    texts = [text.encode() for pairs in maps for pair in pairs.items() for text in pair]
    if any(len(text) > ENVIRONMENT_TEXT_MAX for text in texts):
        raise invalid("The maximum length of each key and value in the Environment map is 1024 "
                      "bytes.")
    if sum(map(len, texts)) > ENVIRONMENT_MAX:
        raise invalid("The maximum length of all keys and values in the Environment map, "
                      "combined, is 32 KB.")


def quota(app, region, use, wanted):
    """`use` is "training" or "endpoint", `wanted` {instance type: count}."""
    limits = app.state.setting("quotas", {}).get(use, {})
    for instance_type, count in wanted.items():
        limit = limits.get(instance_type, limits.get("*", QUOTA_DEFAULT))
        used = in_use(app, region, use, instance_type)
        if used + count > limit:
            word = "training job" if use == "training" else "endpoint"
            raise Fault("ResourceLimitExceeded", "The account-level service limit "
                        f"'{instance_type} for {word} usage' is {limit} Instances, with current "
                        f"utilization of {used} Instances and a request delta of {count} "
                        "Instances. Please use AWS Service Quotas to request an increase for this "
                        "quota. If AWS Service Quotas is not available, contact AWS support to "
                        "request an increase for this quota.")


def in_use(app, region, use, instance_type):
    total = 0
    for record in app.state.all(use).values():
        if record["region"] == region and not record.get("over"):
            total += record["instances"].get(instance_type, 0)
    return total


def tags(given):
    keys = [t["Key"] for t in given or []]
    if len({key.lower() for key in keys}) != len(keys):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    for key in keys:
        if key.lower().startswith("aws:"):
            raise invalid("aws: prefixed tag key names are not allowed for external use.")
    return [dict(t) for t in given or []]
