# SPDX-License-Identifier: MIT
"""GET /metrics, read by Prometheus' own client library."""
import math

from prometheus_client.parser import text_string_to_metric_families as parse


def scrape(daemon):
    """{family: {labels: value}}, each sample by its name and sorted labels."""
    answer = daemon.ask("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(parse(answer.text))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert not [family.name for family in families
                if family.type == "unknown" or not family.documentation]
    return {(sample.name, *sorted(sample.labels.items())): sample.value
            for family in families for sample in family.samples}


def of(samples, name, **labels):
    return samples.get((name, *sorted(labels.items())))


def histogram(samples, name, **labels):
    """(count, sum) of a histogram whose buckets only rise."""
    wanted = sorted(labels.items())
    buckets = sorted((float(dict(key[1:])["le"]), value) for key, value in samples.items()
                     if key[0] == name + "_bucket"
                     and [pair for pair in key[1:] if pair[0] != "le"] == wanted)
    counts = [value for _, value in buckets]
    assert len(buckets) == 17 and buckets[-1][0] == math.inf and counts == sorted(counts)
    assert counts[-1] == of(samples, name + "_count", **labels)
    return counts[-1], of(samples, name + "_sum", **labels)
