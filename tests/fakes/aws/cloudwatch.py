# SPDX-License-Identifier: MIT
"""CloudWatch's metrics: how often an endpoint was invoked."""
from errors import Fault
from protocol import QueryService


def get_metric_statistics(context, r):
    if (r["Namespace"], r["MetricName"]) != ("AWS/SageMaker", "Invocations"):
        raise Fault("InvalidParameterValue", "this fake knows AWS/SageMaker Invocations only")
    endpoint = next(d["Value"] for d in r["Dimensions"] if d["Name"] == "EndpointName")
    start, end, period = r["StartTime"], r["EndTime"], r["Period"]
    sums = {}
    for call in context.app.calls:
        if (call["operation"], call["name"]) == ("InvokeEndpoint", endpoint) \
                and start <= call["at"] < end and call["status"] == 200:
            begin = call["at"] // period * period
            sums[begin] = sums.get(begin, 0) + 1
    return {"Label": r["MetricName"], "Datapoints": [
        {"Timestamp": at, "Sum": float(n), "Unit": "None"} for at, n in sums.items()]}


SERVICE = QueryService("cloudwatch", "http://monitoring.amazonaws.com/doc/2010-08-01/",
                       "2010-08-01", {"GetMetricStatistics": get_metric_statistics})
