# SPDX-License-Identifier: MIT
"""Where we send calls, beside botocore's endpoint rules: every service in every region."""

import itertools
import json
import os
import subprocess

import botocore.session
import pytest

SERVICES = {"sagemaker": {}, "sagemaker-runtime": {}, "s3": {"Bucket": "my-bucket"}, "iam": {},
            "sts": {}, "logs": {}, "cloudwatch": {}, "sso": {}, "sso-oidc": {}}
COMMERCIAL = ("us-east", "us-west", "us-gov", "ca-")
DOTTED = "my.dotted.bucket"


def ask(build, lines, **env):
    base = {"HOME": "/nonexistent", "PATH": os.environ["PATH"]}
    out = subprocess.run([build / "tests/aws/credentials_probe", "endpoints"],
                         input="".join(line + "\n" for line in lines), text=True,
                         capture_output=True, env=base | env, check=True, timeout=60).stdout
    return [json.loads(line) for line in out.splitlines()]


def regions():
    session = botocore.session.Session()
    data = session.get_data("endpoints")
    return sorted(region for p in data["partitions"] for region in p["regions"])


class Rulesets:
    """botocore's own evaluation of endpoint-rule-set-1.json."""

    def __init__(self):
        from botocore.endpoint_provider import EndpointProvider
        self.loader = botocore.session.Session().get_component("data_loader")
        self.partitions = self.loader.load_data("partitions")
        self.providers = {}
        for name in SERVICES:
            rules = self.loader.load_service_model(name, "endpoint-rule-set-1")
            self.providers[name] = EndpointProvider(rules, self.partitions)

    def resolve(self, service, region, fips, dual, bucket=None):
        params = {"Region": region, "UseFIPS": fips, "UseDualStack": dual}
        if service == "s3":
            params |= {"Bucket": bucket}
            if region == "us-east-1":
                params["UseGlobalEndpoint"] = True
        if service == "sts":
            params["UseGlobalEndpoint"] = False
        return self.providers[service].resolve_endpoint(**params)


@pytest.mark.parametrize("fips, dual", [(False, False), (False, True), (True, False)])
def test_every_service_in_every_region(build, fips, dual):
    rules = Rulesets()
    cases, expected = [], []
    for region, (service, params) in itertools.product(regions(), SERVICES.items()):
        if (fips and not region.startswith(COMMERCIAL)) or (dual and service != "s3"):
            continue  # FIPS names are known for these; S3 alone is asked over IPv6
        try:
            found = rules.resolve(service, region, fips, dual, params.get("Bucket"))
        except Exception:
            continue  # botocore has no such endpoint
        cases.append(f"{service} {region} {params.get('Bucket', '')}")
        expected.append(found)
    answers = ask(build, cases, **({"AWS_USE_FIPS_ENDPOINT": "true"} if fips else {}),
                  **({"AWS_USE_DUALSTACK_ENDPOINT": "true"} if dual else {}))
    assert len(answers) == len(cases) > 20
    wrong = []
    for case, ours, theirs in zip(cases, answers, expected):
        scheme = (theirs.properties.get("authSchemes") or [{}])[0]
        region = scheme.get("signingRegion", case.split()[1])
        if ours.get("url") != theirs.url or ours["region"] != region:
            wrong.append((case, ours, theirs.url, region))
    assert not wrong, "\n".join(f"{case} {ours.get('url')} {url} {region} {ours.get('region')}"
                                for case, ours, url, region in wrong)


def test_dotted_bucket_goes_into_the_path(build):
    [answer] = ask(build, [f"s3 eu-west-1 {DOTTED}"])
    assert answer["path_style"] and answer["url"] == "https://s3.eu-west-1.amazonaws.com"


@pytest.mark.parametrize("env, url", [
    ({"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"}, "http://127.0.0.1:5000"),
    ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_SAGEMAKER": "http://b:2/x/"},
     "http://b:2"),
    ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
     "https://api.sagemaker.eu-west-1.amazonaws.com"),
])
def test_configured_addresses(build, env, url):
    [answer] = ask(build, ["sagemaker eu-west-1"], **env)
    assert answer["url"] == url and answer["region"] == "eu-west-1"


def test_services_section(build, tmp_path):
    (tmp_path / "config").write_text(
        "[default]\nservices = local\nregion = eu-north-1\n\n[services local]\ns3 =\n"
        "  endpoint_url = http://127.0.0.1:9\nsagemaker =\n  endpoint_url = https://sm.test/base\n")
    answers = ask(build, ["s3 eu-north-1 b", "sagemaker eu-north-1", "logs eu-north-1"],
                  AWS_CONFIG_FILE=str(tmp_path / "config"))
    assert [a["url"] for a in answers] == ["http://127.0.0.1:9", "https://sm.test",
                                          "https://logs.eu-north-1.amazonaws.com"]
    assert answers[1]["base"] == "/base"


@pytest.mark.parametrize("region", ["Europe", "eu_west_1", "eu-west-1.evil.example", "x", "a" * 40])
def test_what_is_no_region(build, region):
    [answer] = ask(build, [f"sagemaker {region}"])
    assert "is not an AWS region" in answer["error"]
