# SPDX-License-Identifier: MIT
"""Training jobs: create, describe, list, stop, delete, and the way through their statuses."""
import math
import re

import artifacts
import checks
from errors import Fault, invalid
from lists import page, window
from validate import known_members

FINAL_STATES = {"Completed", "Failed", "Stopped"}
MESSAGES = {
    "Pending": "Training job waiting for capacity",
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading the training image",
    "Training": "Training image download completed. Training in progress.",
    "Interrupted": "Training job interrupted by a reclaim of its Spot instances",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}
REASONS = {
    "AlgorithmError": 'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage '
                      '"ValueError: the loss is nan"\nCommand "/opt/conda/bin/python3.11 '
                      'train.py --epochs 1", exit code: 1',
    "ClientError": "ClientError: Please use an instance type with more memory, or reduce the size "
                   "of training data processed on an instance.",
    "InternalServerError": "InternalServerError: We encountered an internal error. Please try "
                           "again.",
    "CapacityError": "CapacityError: Unable to provision requested ML compute capacity. Please "
                     "retry using a different ML instance type.",
}
SPOT_SHARE = 0.3
# "The maximum value is 28 days" (botocore/data/sagemaker, StoppingCondition$MaxRuntimeInSeconds)
RUNTIME_MAX_S = 28 * 86400
REASON_MAX = 1024


def is_final(job):
    return job["status"] in FINAL_STATES and not warm(job)


def warm(job):
    return (job.get("warm") or {}).get("Status") == "Available"


def job_of(context, name):
    job = context.app.machines.advance("training", f"{context.region}/{name}", look=True)
    if not job:
        raise invalid("Requested resource not found.")
    return job


def check_request(context, r):
    spec, stop = r["AlgorithmSpecification"], r.get("StoppingCondition", {})
    if "ResourceConfig" not in r or "InstanceType" not in r["ResourceConfig"]:
        raise invalid("ResourceConfig with InstanceType and InstanceCount is required.")
    if ("TrainingImage" in spec) == ("AlgorithmName" in spec):
        raise invalid("Either TrainingImage or AlgorithmName must be provided, and not both.")
    spot = r.get("EnableManagedSpotTraining", False)
    wait, most = stop.get("MaxWaitTimeInSeconds"), stop.get("MaxRuntimeInSeconds", 86400)
    if spot and (wait is None or wait < most):
        raise invalid("Invalid MaxWaitTimeInSeconds. It must be present and be greater than or "
                      "equal to MaxRuntimeInSeconds if EnableManagedSpotTraining is set to true")
    if not spot and wait:
        raise invalid("MaxWaitTimeInSeconds above 0 is not supported when "
                      "EnableManagedSpotTraining is set to false")
    if spot and r["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        raise invalid("KeepAlivePeriodInSeconds is not supported when EnableManagedSpotTraining is "
                      "set to true")
    if most > RUNTIME_MAX_S:
        raise invalid("Invalid MaxRuntimeInSeconds. The maximum value is 28 days.")
    if r["ResourceConfig"].get("VolumeKmsKeyId"):
        checks.no_key_for_local_disks("VolumeKmsKeyId", r["ResourceConfig"]["InstanceType"])
    for definition in spec.get("MetricDefinitions", []):
        check_regex(definition)
    channels = [c["ChannelName"] for c in r.get("InputDataConfig", [])]
    if len(set(channels)) != len(channels):
        raise invalid("Duplicate channel names are not allowed.")


def check_regex(definition):
    """"A regular expression that searches the output of a training job" (botocore/data/sagemaker,
    MetricDefinition$Regex): what is none finds nothing."""
    try:
        re.compile(definition["Regex"])
    except re.error as e:
        raise invalid(f"Invalid regular expression for metric {definition['Name']}: {e}") from None


def create(context, r):
    app, state, region, name = context.app, context.state, context.region, r["TrainingJobName"]
    check_request(context, r)
    with state.lock:
        key = f"{region}/{name}"
        arn = checks.arn(region, "training-job", name)
        if state.get("training", key) or arn in state.by_arn:
            raise Fault("ResourceInUse", "Training job names must be unique within an AWS account "
                        f"and region, and a training job with this name already exists ({arn})")
        checks.role(state, r["RoleArn"])
        tags = checks.tags(r.get("Tags"))
        config = r["ResourceConfig"]
        instances = {config["InstanceType"]: config.get("InstanceCount", 1)}
        pool = find_pool(app, region, r)
        checks.quota(app, region, "training", instances)
        at = state.now()
        job = {"name": name, "arn": arn, "region": region, "created": at, "modified": at,
               "request": {k: v for k, v in r.items() if k != "Tags"}, "tags": tags,
               "instance_type": config["InstanceType"], "instances": instances,
               "status": "InProgress", "transitions": [], "metrics": {}, "interrupted": 0,
               "trained_s": 0}
        if context.ruled("capacity"):
            job["scenario"] = {"fail": "CapacityError"}
        app.machines.start(job)
        app.machines.bind("training", name, config["InstanceType"])
        enter(job, "Starting", at)
        if pool:
            pool["warm"].update(Status="Reused", ReusedByJob=name)
            settle_pool(pool, at)
            state.put("training", f"{region}/{pool['name']}", pool)
        state.put("training", key, job)
    return {"TrainingJobArn": arn}


def find_pool(app, region, r):
    """A warm pool that this job may take over: same role, image and instances."""
    config = r["ResourceConfig"]
    if not config.get("KeepAlivePeriodInSeconds"):
        return None
    for key in list(app.state.all("training")):
        job = app.machines.advance("training", key)
        if job and job["region"] == region and warm(job) and job["request"]["RoleArn"] == \
                r["RoleArn"] and job["instances"] == {config["InstanceType"]:
                                                      config.get("InstanceCount", 1)}:
            return job
    return None


def settle_pool(job, at):
    job["warm"]["ResourceRetainedBillableTimeInSeconds"] = max(0, math.ceil(at - job["ended"]))


def enter(job, status, at, message=None):
    """Go to a secondary status; the one before ends."""
    if job["transitions"]:
        job["transitions"][-1].setdefault("EndTime", at)
    entry = {"Status": status, "StartTime": at, "StatusMessage": message or MESSAGES[status]}
    if status in FINAL_STATES or status in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        entry["EndTime"] = at
    job["transitions"].append(entry)
    job["secondary"] = status
    job["modified"] = at
    job["in_status"] = 0


def end(app, job, status, secondary, at, reason=None):
    enter(job, secondary, at, reason if status == "Failed" and not job.get("started") else None)
    job["status"] = status
    job["ended"] = at
    job["over"] = True
    if reason:
        job["failure"] = reason[:REASON_MAX]
    keep = job["request"]["ResourceConfig"].get("KeepAlivePeriodInSeconds")
    if keep and status == "Completed":
        job["warm"] = {"Status": "Available", "ResourceRetainedBillableTimeInSeconds": 0}
    artifacts.last_words(app, job, status)


def ordered_reason(scenario):
    text = scenario["fail"]
    return REASONS.get(text, text)


def step(app, key, job, at):
    """One beat."""
    if warm(job):
        keep = job["request"]["ResourceConfig"]["KeepAlivePeriodInSeconds"]
        settle_pool(job, at)
        if at - job["ended"] >= keep:
            job["warm"]["Status"] = "Terminated"
        return
    scenario = app.machines.scenario("training", job)
    over = overdue(job, scenario, at)
    if over and job["status"] == "InProgress":
        begin_stop(app, job, at, over)
        return
    status = job["secondary"]
    if app.machines.stays(scenario, job, status):
        return
    fail_at = scenario.get("fail_at", "Starting" if str(scenario.get("fail")).startswith(
        "CapacityError") else "Training")
    if scenario.get("fail") and status == fail_at:
        account_time(job, scenario, at)
        if app.work:
            app.work.interrupt(job)
        end(app, job, "Failed", "Failed", at, ordered_reason(scenario))
    elif not (app.work and status in ("Training", "Stopping") and
              not interrupting(job, scenario) and app.work.busy(job)):
        STEPS[status](app, job, scenario, at)


def interrupting(job, scenario):
    return job["request"].get("EnableManagedSpotTraining") and \
        job["secondary"] == "Training" and job["interrupted"] < scenario.get("interrupt", 0)


def overdue(job, scenario, at):
    stop = job["request"].get("StoppingCondition", {})
    if at - job["created"] >= stop.get("MaxWaitTimeInSeconds", math.inf):
        return "MaxWaitTimeExceeded"
    if job["secondary"] == "Training":
        ran = max(job["trained_s"] + at - job["training_since"], scenario.get("runtime_s", 0))
        if ran > stop.get("MaxRuntimeInSeconds", 86400):
            return "MaxRuntimeExceeded"
    return None


def from_starting(app, job, scenario, at):
    wait = scenario.get("pending") and job["secondary"] == "Starting" and \
        "Pending" not in [t["Status"] for t in job["transitions"]]
    enter(job, "Pending" if wait else "Downloading", at)


def from_downloading(app, job, scenario, at):
    problem = input_problem(app, job)
    if problem:
        end(app, job, "Failed", "Failed", at, problem)
        return
    enter(job, "Training", at)
    job["training_since"] = at
    job.setdefault("started", at)
    if app.work:
        app.work.start(job)
    else:
        artifacts.first_words(app, job, scenario)


def input_problem(app, job):
    r, region = job["request"], job["region"]
    image = r["AlgorithmSpecification"].get("TrainingImage")
    if image and not checks.image_exists(image, region):
        return ("ClientError: Cannot pull algorithm container. Either the image does not exist or "
                f"its permissions are incorrect. ({image})")
    for channel in r.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        if source:
            problem = checks.data_problem(app, region, r["RoleArn"], source["S3Uri"],
                                          source["S3DataType"] == "S3Prefix")
            if problem:
                return f"ClientError: Data download failed:{problem}"
    submit = artifacts.hyperparameter(r, "sagemaker_submit_directory")
    if submit:
        problem = checks.data_problem(app, region, r["RoleArn"], submit, False)
        if problem:
            return f"ClientError: Data download failed:{problem}"
    return None


def account_time(job, scenario, at):
    if job["secondary"] == "Training" and "training_since" in job:
        job["trained_s"] += max(1, math.ceil(at - job["training_since"]))
        del job["training_since"]
    if job["trained_s"] and "runtime_s" in scenario:
        job["trained_s"] = scenario["runtime_s"]


def from_training(app, job, scenario, at):
    if interrupting(job, scenario):
        if app.work:
            app.work.interrupt(job)
        job["interrupted"] += 1
        account_time(job, scenario, at)
        enter(job, "Interrupted", at)
        return
    account_time(job, scenario, at)
    problem = app.work.outcome(job) if app.work else artifacts.finish(app, job, scenario)
    if problem:
        end(app, job, "Failed", "Failed", at, problem)
    else:
        enter(job, "Uploading", at)


def from_uploading(app, job, scenario, at):
    problem = app.work.upload(job) if app.work else artifacts.upload(app, job)
    if problem:
        end(app, job, "Failed", "Failed", at, problem)
    elif job.get("stop_for"):
        end(app, job, "Stopped", job["stop_for"], at)
    else:
        end(app, job, "Completed", "Completed", at)


def from_stopping(app, job, scenario, at):
    if job.get("started"):
        if scenario.get("ignore_stop"):
            del job["stop_for"]
            job["status"] = "InProgress"
        enter(job, "Uploading", at)
    else:
        end(app, job, "Stopped", job["stop_for"], at)


STEPS = {"Starting": from_starting, "Pending": from_starting, "Interrupted":
         lambda app, job, scenario, at: enter(job, "Starting", at), "Downloading": from_downloading,
         "Training": from_training, "Uploading": from_uploading, "Stopping": from_stopping}


def begin_stop(app, job, at, why):
    account_time(job, app.machines.scenario("training", job), at)
    job["status"] = "Stopping"
    job["stop_for"] = why
    enter(job, "Stopping", at)
    if app.work:
        app.work.stop(job)


def stop(context, r):
    with context.state.lock:
        job = job_of(context, r["TrainingJobName"])
        if job["status"] in FINAL_STATES:
            raise invalid("The request was rejected because the training job is in status "
                          f"{job['status']}.")
        if job["status"] == "InProgress":
            begin_stop(context.app, job, context.state.now(), "Stopped")
            context.state.put("training", f"{context.region}/{job['name']}", job)


def delete(context, r):
    with context.state.lock:
        job = job_of(context, r["TrainingJobName"])
        if job["status"] not in FINAL_STATES or warm(job):
            raise Fault("ResourceInUse", f"The training job {job['arn']} cannot be deleted while "
                        f"it is in status {job['status']}.")
        context.state.delete("training", f"{context.region}/{job['name']}")


def billable(job, scenario):
    if "billable_s" in scenario:
        return scenario["billable_s"]
    seconds = job["trained_s"]
    if job["request"].get("EnableManagedSpotTraining"):
        seconds = math.ceil(seconds * SPOT_SHARE)
    return seconds


def number(value):
    """JSON has no NaN and no infinities: the service writes them as texts, as the protocol tests of
    AWS JSON 1.1 in smithy-lang/smithy have them."""
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else \
        "Infinity" if value > 0 else "-Infinity"


def describe(context, r):
    with context.state.lock:
        job = job_of(context, r["TrainingJobName"])
        scenario = context.app.machines.scenario("training", job)
        d = known_members("sagemaker", "DescribeTrainingJob", job["request"])
        d.update(TrainingJobArn=job["arn"], TrainingJobStatus=job["status"],
                 SecondaryStatus=job["secondary"], SecondaryStatusTransitions=job["transitions"],
                 CreationTime=job["created"], LastModifiedTime=job["modified"])
        d["OutputDataConfig"] = {"CompressionType": "GZIP", "KmsKeyId": "",
                                 **d["OutputDataConfig"]}
        for flag in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
                     "EnableManagedSpotTraining"):
            d.setdefault(flag, False)
        for member, field in (("TrainingStartTime", "started"), ("TrainingEndTime", "ended"),
                              ("FailureReason", "failure"), ("WarmPoolStatus", "warm")):
            if job.get(field) is not None:
                d[member] = job[field]
        if job.get("uploaded"):
            d["ModelArtifacts"] = {"S3ModelArtifacts": job["uploaded"]}
        if job["metrics"]:
            d["FinalMetricDataList"] = [{"MetricName": k, "Value": number(v), "Timestamp": t}
                                        for k, (v, t) in job["metrics"].items()]
        if job.get("over") and job.get("started"):
            d["TrainingTimeInSeconds"] = job["trained_s"]
            d["BillableTimeInSeconds"] = billable(job, scenario)
            if d["BillableTimeInSeconds"] is None:
                del d["BillableTimeInSeconds"]
        d["ProfilingStatus"] = "Disabled"
        return d


def summary(job):
    s = {"TrainingJobName": job["name"], "TrainingJobArn": job["arn"],
         "CreationTime": job["created"], "LastModifiedTime": job["modified"],
         "TrainingJobStatus": job["status"], "SecondaryStatus": job["secondary"]}
    if job.get("ended"):
        s["TrainingEndTime"] = job["ended"]
    if job.get("warm"):
        s["WarmPoolStatus"] = job["warm"]
    return s


def list_jobs(context, r):
    """Status and times of change are looked at only after the page was taken, as the operation's
    documentation in botocore/data/sagemaker says: empty pages with a token are normal."""
    def late(job):
        return r.get("StatusEquals") in (None, job["status"]) and window(
            job["modified"], r.get("LastModifiedTimeAfter"), r.get("LastModifiedTimeBefore"))

    def early(job):
        return r.get("NameContains", "").lower() in job["name"].lower() and window(
            job["created"], r.get("CreationTimeAfter"), r.get("CreationTimeBefore"))
    return page(context, "training", r, "TrainingJobSummaries", early, late, summary,
                {"Name": "name", "CreationTime": "created", "Status": "status"})
