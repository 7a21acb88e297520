# SPDX-License-Identifier: MIT
"""Models and endpoint configurations: they cost nothing and have no statuses, only names."""
import checks
from errors import invalid
from lists import page, window
from validate import known_members

WORDS = {"model": "model", "config": "endpoint configuration"}
PATHS = {"model": "model", "config": "endpoint-config"}


def find(state, region, kind, name):
    record = state.get(kind, f"{region}/{name}")
    if not record:
        raise invalid(f'Could not find {WORDS[kind]} "{checks.arn(region, PATHS[kind], name)}".')
    return record


def add(context, kind, name, r, **more):
    state, region = context.state, context.region
    arn = checks.arn(region, PATHS[kind], name)
    if arn in state.by_arn:
        raise invalid(f'Cannot create already existing {WORDS[kind]} "{arn}".')
    at = state.now()
    record = {"name": name, "arn": arn, "region": region, "created": at,
              "tags": checks.tags(r.get("Tags")),
              "request": {k: v for k, v in r.items() if k != "Tags"}, **more}
    state.put(kind, f"{region}/{name}", record)
    return arn


def containers(r):
    return r.get("Containers") or ([r["PrimaryContainer"]] if "PrimaryContainer" in r else [])


def create_model(context, r):
    app, region = context.app, context.region
    with context.state.lock:
        if checks.arn(region, "model", r["ModelName"]) in context.state.by_arn:
            add(context, "model", r["ModelName"], r)
        found = containers(r)
        if not found:
            raise invalid("Either PrimaryContainer or Containers must be provided.")
        checks.environment(c.get("Environment", {}) for c in found)
        if "ExecutionRoleArn" in r:
            checks.role(context.state, r["ExecutionRoleArn"])
        for container in found:
            check_container(app, region, r.get("ExecutionRoleArn", ""), container)
        return {"ModelArn": add(context, "model", r["ModelName"], r)}


def check_container(app, region, role, container):
    image = container.get("Image")
    if not image:
        raise invalid("The request must contain Image or ModelPackageName.")
    if not checks.ECR.match(image):
        raise invalid(f'Using non-ECR image "{image}" without Vpc repository access mode is not '
                      "supported.")
    if not checks.image_exists(image, region):
        raise invalid(f"Requested image {image} not found.")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source and container.get("ModelDataUrl"):
        raise invalid("Only one of ModelDataUrl and ModelDataSource can be given.")
    uri = source["S3Uri"] if source else container.get("ModelDataUrl")
    if not uri:
        return
    prefix = bool(source) and source["S3DataType"] == "S3Prefix"
    if prefix and not uri.endswith("/"):
        raise invalid(f"The S3Uri {uri} must end with a forward slash when S3DataType is S3Prefix.")
    problem = checks.data_problem(app, region, role, uri, prefix)
    if not problem:
        return
    if "AccessDenied" in problem:
        raise invalid(f'Could not access model data at {uri}. Please ensure that the role "{role}" '
                      "exists and that its trust relationship policy allows the action "
                      '"sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". Also '
                      'ensure that the role has "s3:GetObject" permissions and that the object is '
                      f"located in {region}.")
    raise invalid(f"Could not find model data at {uri}."
                  + (f" {problem}" if "PermanentRedirect" in problem else ""))


def describe_model(context, r):
    with context.state.lock:
        m = find(context.state, context.region, "model", r["ModelName"])
        return {"EnableNetworkIsolation": False,
                **known_members("sagemaker", "DescribeModel", m["request"]),
                "ModelArn": m["arn"], "CreationTime": m["created"]}


def delete_model(context, r):
    with context.state.lock:
        m = find(context.state, context.region, "model", r["ModelName"])
        note_use(context, "model", m["name"])
        context.state.delete("model", f"{context.region}/{m['name']}")


def note_use(context, kind, name):
    """The service lets what a live endpoint uses be deleted, though its documentation forbids it:
    carried out, and remembered for /_fake/resources."""
    for endpoint in context.state.all("endpoint").values():
        if endpoint["region"] == context.region and endpoint["status"] != "Failed" and \
                name in (endpoint["models"] if kind == "model" else [endpoint["config"]]):
            noted = context.state.setting("violations", [])
            context.state.set(violations=noted + [
                f"{kind} {name} deleted while endpoint {endpoint['name']} is "
                f"{endpoint['status']}"])


def create_config(context, r):
    state = context.state
    with state.lock:
        name = r["EndpointConfigName"]
        if checks.arn(context.region, "endpoint-config", name) in state.by_arn:
            add(context, "config", name, r)
        names = [v["VariantName"] for v in r["ProductionVariants"]]
        if len(set(names)) != len(names):
            raise invalid("Duplicate production variant names are not allowed.")
        for variant in r["ProductionVariants"]:
            if "ModelName" in variant:
                model = find(state, context.region, "model", variant["ModelName"])
                check_source(variant, model["request"])
            if ("ServerlessConfig" in variant) == ("InstanceType" in variant):
                raise invalid("Exactly one of InstanceType and ServerlessConfig must be given for "
                              f"production variant {variant['VariantName']}.")
            if "InstanceType" in variant and "InitialInstanceCount" not in variant:
                raise invalid("InitialInstanceCount is required for production variant "
                              f"{variant['VariantName']}.")
            check_serverless(variant.get("ServerlessConfig"))
            if "InstanceType" in variant:
                check_disks(variant, r)
        return {"EndpointConfigArn": add(context, "config", name, r)}


def check_source(variant, model):
    """"Currently you cannot use ModelDataSource in conjunction with […] SageMaker serverless
    endpoints" (botocore/data/sagemaker, ContainerDefinition$ModelDataSource)."""
    if "ServerlessConfig" in variant and any("ModelDataSource" in c for c in containers(model)):
        raise invalid("ModelDataSource is not supported for serverless endpoints (production "
                      f"variant {variant['VariantName']}).")


def check_disks(variant, r):
    kind = variant["InstanceType"]
    if "VolumeSizeInGB" in variant and checks.has_local_disks(kind):
        raise invalid(f"VolumeSizeInGB parameter is not allowed for the selected Instance type "
                      f"{kind}.")
    if r.get("KmsKeyId"):
        checks.no_key_for_local_disks("KmsKeyId", kind)


def check_serverless(serverless):
    if not serverless:
        return
    if serverless["MemorySizeInMB"] % 1024:
        raise invalid("MemorySizeInMB must be one of [1024, 2048, 3072, 4096, 5120, 6144].")
    if serverless.get("ProvisionedConcurrency", 0) > serverless["MaxConcurrency"]:
        raise invalid("ProvisionedConcurrency must not be greater than MaxConcurrency.")


def describe_config(context, r):
    with context.state.lock:
        c = find(context.state, context.region, "config", r["EndpointConfigName"])
        d = known_members("sagemaker", "DescribeEndpointConfig", c["request"])
        d["ProductionVariants"] = [{"InitialVariantWeight": 1.0, **v}
                                   for v in d["ProductionVariants"]]
        return {"EnableNetworkIsolation": False, **d, "EndpointConfigArn": c["arn"],
                "CreationTime": c["created"]}


def delete_config(context, r):
    with context.state.lock:
        c = find(context.state, context.region, "config", r["EndpointConfigName"])
        note_use(context, "config", c["name"])
        context.state.delete("config", f"{context.region}/{c['name']}")


def lister(kind, member, prefix):
    def summary(x):
        return {f"{prefix}Name": x["name"], f"{prefix}Arn": x["arn"], "CreationTime": x["created"]}

    def list_them(context, r):
        def early(x):
            return r.get("NameContains", "").lower() in x["name"].lower() and window(
                x["created"], r.get("CreationTimeAfter"), r.get("CreationTimeBefore"))
        return page(context, kind, r, member, early, lambda x: True, summary,
                    {"Name": "name", "CreationTime": "created"})
    return list_them


list_models = lister("model", "Models", "Model")
list_configs = lister("config", "EndpointConfigs", "EndpointConfig")
