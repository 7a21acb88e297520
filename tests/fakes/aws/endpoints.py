# SPDX-License-Identifier: MIT
"""Endpoints: create, update with its rollback, delete, and their costs."""
import math

import checks
import models
import runtime
from errors import invalid
from lists import page, window

REASONS = {
    "health_check": "The primary container for production variant {variant} did not pass the ping "
                    "health check. Please check CloudWatch logs for this endpoint.",
    "capacity": "Unable to provision requested ML compute capacity due to "
                "InsufficientInstanceCapacity error. Please retry using a different ML instance "
                "type or after some time.",
    "image": "The repository of the image {image} does not grant ecr:GetDownloadUrlForLayer, "
             "ecr:BatchGetImage, ecr:BatchCheckLayerAvailability to sagemaker.amazonaws.com "
             "service principal.",
    "role": "The role {role} does not have BatchGetImage permission for the image: '{image}'.",
    "model_data": "Failed to download model data for container \"container_1\". Please ensure that "
                  "there is an object located at the URL and that the role passed to CreateModel "
                  "has permissions to download the model.",
}
SETTLED = ("InService", "Failed", "UpdateRollbackFailed")


def is_final(endpoint):
    return endpoint["status"] in SETTLED


def arn_of(region, name):
    return checks.arn(region, "endpoint", name)


def find(context, name):
    endpoint = context.app.machines.advance("endpoint", f"{context.region}/{name}", look=True)
    if not endpoint:
        raise invalid(f'Could not find endpoint "{arn_of(context.region, name)}".')
    return endpoint


def snapshot(context, config_name):
    """What an endpoint takes from its configuration and models; kept when those are deleted."""
    config = models.find(context.state, context.region, "config", config_name)
    variants, names, instances = [], [], {}
    for v in config["request"]["ProductionVariants"]:
        model = models.find(context.state, context.region, "model", v["ModelName"])
        names.append(v["ModelName"])
        variants.append({"variant": v, "model": model["request"]})
        if "InstanceType" in v:
            count = v["InitialInstanceCount"]
            instances[v["InstanceType"]] = instances.get(v["InstanceType"], 0) + count
    return {"config": config_name, "models": names, "variants": variants, "instances": instances}


def create(context, r):
    app, state, region, name = context.app, context.state, context.region, r["EndpointName"]
    with state.lock:
        arn = arn_of(region, name)
        if arn in state.by_arn:
            raise invalid(f'Cannot create already existing endpoint "{arn}".')
        shot = snapshot(context, r["EndpointConfigName"])
        checks.quota(app, region, "endpoint", shot["instances"])
        at = state.now()
        variant = shot["variants"][0]["variant"]
        endpoint = {"name": name, "arn": arn, "region": region, "created": at, "modified": at,
                    "tags": checks.tags(r.get("Tags")), "status": "Creating", **shot,
                    "instance_type": variant.get("InstanceType", "serverless"), "billed": 0.0}
        if context.ruled("capacity"):
            endpoint["scenario"] = {"fail": "capacity"}
        app.machines.start(endpoint)
        app.machines.bind("endpoint", name, endpoint["instance_type"])
        state.put("endpoint", f"{region}/{name}", endpoint)
        return {"EndpointArn": arn}


def update(context, r):
    state, region = context.state, context.region
    with state.lock:
        endpoint = find(context, r["EndpointName"])
        must_be_settled(endpoint)
        if endpoint["status"] != "InService":
            raise invalid(f'Cannot update endpoint "{endpoint["arn"]}" in status '
                          f"{endpoint['status']}.")
        shot = snapshot(context, r["EndpointConfigName"])
        checks.quota(context.app, region, "endpoint", shot["instances"])
        settle(state, endpoint, state.now())
        endpoint["pending"] = shot
        endpoint.pop("failure", None)
        restart(context.app, endpoint, "Updating", state.now())
        state.put("endpoint", f"{region}/{endpoint['name']}", endpoint)
        return {"EndpointArn": endpoint["arn"]}


def restart(app, endpoint, status, at):
    """A settled endpoint begins to move again: its beats count from now on."""
    app.machines.start(endpoint)
    endpoint.update(status=status, modified=at)


def must_be_settled(endpoint):
    if endpoint["status"] not in SETTLED:
        raise invalid(f'Cannot update in-progress endpoint "{endpoint["arn"]}".')


def delete(context, r):
    state = context.state
    with state.lock:
        endpoint = find(context, r["EndpointName"])
        must_be_settled(endpoint)
        settle(state, endpoint, state.now())
        restart(context.app, endpoint, "Deleting", state.now())
        state.put("endpoint", f"{context.region}/{endpoint['name']}", endpoint)


def settle(state, endpoint, at):
    """Add what the endpoint ran up since it last went into service."""
    since = endpoint.pop("in_service_since", None)
    if since is not None:
        seconds = max(0, at - since)
        endpoint["billed"] += seconds
        number = f"{len(state.all('bill')):06d}"
        state.put("bill", number, {"kind": "endpoint", "name": endpoint["name"],
                                   "region": endpoint["region"],
                                   "instances": endpoint["instances"],
                                   "seconds": math.ceil(seconds)})


def reason(endpoint, which, shot):
    first = shot["variants"][0]
    container = models.containers(first["model"])[0]
    return REASONS.get(which, which).format(
        variant=first["variant"]["VariantName"], image=container.get("Image"),
        role=first["model"].get("ExecutionRoleArn"))


def problem(app, endpoint, shot, ordered):
    """Why this endpoint cannot come into service; None: it can."""
    if ordered:
        return reason(endpoint, ordered, shot)
    for v in shot["variants"]:
        for container in models.containers(v["model"]):
            try:
                models.check_container(app, endpoint["region"],
                                       v["model"].get("ExecutionRoleArn", ""), container)
            except Exception:
                return reason(endpoint, "model_data", shot)
    if app.hosting:
        return app.hosting.start(endpoint, shot)
    return None if all(runtime.has_model(app, container) for v in shot["variants"]
                       for container in models.containers(v["model"])) else \
        reason(endpoint, "health_check", shot)


def step(app, key, endpoint, at):
    """One beat."""
    scenario = app.machines.scenario("endpoint", endpoint)
    status = endpoint["status"]
    if app.machines.stays(scenario, endpoint, status):
        return
    endpoint["in_status"] = 0
    endpoint["modified"] = at
    if status == "Creating":
        why = problem(app, endpoint, endpoint, scenario.get("fail"))
        if why == "wait":
            return
        if why:
            endpoint.update(status="Failed", failure=why, over=True)
        else:
            into_service(app, endpoint, at)
    elif status == "Updating":
        finish_update(app, endpoint, scenario, at)
    elif status == "RollingBack":
        endpoint.pop("pending", None)
        endpoint["status"] = "InService"
        endpoint["in_service_since"] = at
        if scenario.get("rollback_fail"):
            endpoint["status"] = "UpdateRollbackFailed"
    elif status == "Deleting":
        if app.hosting:
            app.hosting.stop(endpoint)
        app.state.delete("endpoint", key)


def into_service(app, endpoint, at):
    endpoint.update(status="InService", in_service_since=at)
    if app.hosting:
        app.hosting.only(endpoint)
    log(app, endpoint, ["Model server started.", "GET /ping HTTP/1.1 200"])


def log(app, endpoint, lines):
    for line in lines:
        variant = endpoint["variants"][0]["variant"]["VariantName"]
        app.logs.write(f"/aws/sagemaker/Endpoints/{endpoint['name']}",
                       f"{variant}/i-{int(endpoint['created'] * 1000):017x}", line,
                       region=endpoint["region"])


def finish_update(app, endpoint, scenario, at):
    shot = endpoint["pending"]
    why = problem(app, endpoint, shot, scenario.get("update_fail"))
    if why == "wait":
        return
    if why:
        endpoint.update(status="RollingBack", failure=why)
    else:
        endpoint.update(shot)
        del endpoint["pending"]
        endpoint["instance_type"] = shot["variants"][0]["variant"].get("InstanceType", "serverless")
        into_service(app, endpoint, at)


def describe(context, r):
    with context.state.lock:
        e = find(context, r["EndpointName"])
        d = {"EndpointName": e["name"], "EndpointArn": e["arn"], "EndpointConfigName": e["config"],
             "EndpointStatus": e["status"], "CreationTime": e["created"],
             "LastModifiedTime": e["modified"]}
        if e.get("failure"):
            d["FailureReason"] = e["failure"]
        if e["status"] != "Failed":
            d["ProductionVariants"] = [variant_summary(e, v) for v in e["variants"]]
        if e.get("pending"):
            d["PendingDeploymentSummary"] = {
                "EndpointConfigName": e["pending"]["config"], "StartTime": e["modified"],
                "ProductionVariants": [pending_summary(v) for v in e["pending"]["variants"]]}
        return d


def images(model, at):
    return [{"SpecifiedImage": c["Image"], "ResolvedImage": c["Image"], "ResolutionTime": at}
            for c in models.containers(model) if c.get("Image")]


def variant_summary(e, v):
    variant, weight = v["variant"], float(v["variant"].get("InitialVariantWeight", 1.0))
    s = {"VariantName": variant["VariantName"], "CurrentWeight": weight, "DesiredWeight": weight,
         "DeployedImages": images(v["model"], e["created"])}
    if "ServerlessConfig" in variant:
        s["CurrentServerlessConfig"] = variant["ServerlessConfig"]
    else:
        serving = e["status"] != "Creating"
        s["DesiredInstanceCount"] = variant["InitialInstanceCount"]
        s["CurrentInstanceCount"] = variant["InitialInstanceCount"] if serving else 0
    if e["status"] in ("Creating", "Updating", "Deleting"):
        s["VariantStatus"] = [{"Status": e["status"], "StartTime": e["modified"]}]
    return s


def pending_summary(v):
    variant = v["variant"]
    s = {"VariantName": variant["VariantName"], "DeployedImages": []}
    if "InitialInstanceCount" in variant:
        s["DesiredInstanceCount"] = variant["InitialInstanceCount"]
    return s


def list_endpoints(context, r):
    def early(e):
        return r.get("NameContains", "").lower() in e["name"].lower() and window(
            e["created"], r.get("CreationTimeAfter"), r.get("CreationTimeBefore")) and window(
            e["modified"], r.get("LastModifiedTimeAfter"), r.get("LastModifiedTimeBefore")) and \
            r.get("StatusEquals") in (None, e["status"])

    def summary(e):
        return {"EndpointName": e["name"], "EndpointArn": e["arn"], "CreationTime": e["created"],
                "LastModifiedTime": e["modified"], "EndpointStatus": e["status"]}
    return page(context, "endpoint", r, "Endpoints", early, lambda e: True, summary,
                {"Name": "name", "CreationTime": "created", "Status": "status"})
