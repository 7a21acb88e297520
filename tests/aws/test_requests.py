# SPDX-License-Identifier: MIT
"""Every request that jobs/sagemaker/requests.h can make is one that botocore's model of SageMaker
takes; hyperparameters are what json.dumps writes; images are those of the SDK's table."""
import json
import math
import pathlib
import random
import struct

import pytest

import models
from probe import ROLE, Probe, Refused

SDK = json.loads((pathlib.Path(__file__).parent / "sdk_requests.json").read_text())
SPECS = 4000
VALUES = 20000
TEXT = "abz AZ09_.:/=+-@,;'\"\\$(){}[]|&*%\n\t\u00e9\u4f60\U0001f642\x7f"
WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
GPU = ["ml.g5.xlarge", "ml.p3.2xlarge", "ml.g4dn.12xlarge", "ml.p4d.24xlarge", "ml.g6.2xlarge"]
HOSTS = GPU + ["ml.m5.xlarge", "ml.c5.2xlarge", "ml.t2.medium", "ml.r5d.large"]
REGIONS = sorted(set(SDK["registries"])
                 - set(SDK["images"]["training 4.56.2 pytorch2.8.0 gpu"]["without"]))


class Maker:
    """Random normalised specs, as the parser of specs leaves them; many members at their limits."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def word(self, most, alphabet=WORD, least=1):
        n = self.r.choice([least, most, self.r.randint(least, most)])
        return "".join(self.r.choices(alphabet, k=n))

    def maybe(self, make, chance=0.5):
        return make() if self.r.random() < chance else None

    def uri(self, end=""):
        length = self.r.choice([3, 20, 1024 - len("s3://bucket/") - len(end)])
        return f"s3://bucket/{self.word(length, WORD + '-_', length)}{end}"

    def name(self):
        return self.word(1) + self.word(61, WORD + "-") + self.word(1)

    def seconds(self, least, most):
        return f"{self.r.randint(least, most)}s"

    def value(self, depth=0):
        kinds = [lambda: self.r.randint(-2**63, 2**63 - 1), lambda: self.r.random() * 1e-5,
                 lambda: self.word(60, TEXT, 0), lambda: self.r.choice([True, False, None]),
                 lambda: self.r.uniform(-1e20, 1e20)]
        if depth < 2:
            kinds += [lambda: [self.value(depth + 1) for _ in range(3)],
                      lambda: {self.word(5, TEXT, 0): self.value(depth + 1) for _ in range(2)}]
        return self.r.choice(kinds)()

    def hyperparameters(self, script):
        if not script:
            h = {"epochs": self.r.choice([1, 0.5, 3]), "learning_rate": 5e-5, "bf16": "auto"}
            return {**h, **({"max_length": 128} if self.r.random() < 0.5 else {})}
        n = self.r.choice([0, 1, 5, 91])
        made = {f"h{i}{self.word(250, WORD + '-_ é')}": self.value() for i in range(n)}
        if self.r.random() < 0.2:
            made["long"] = "x" * 2498
        return made

    def vpc(self):
        return {"subnets": [f"subnet-{self.word(24)}" for _ in range(self.r.randint(1, 16))],
                "security_groups": [f"sg-{self.word(28)}" for _ in range(self.r.randint(1, 5))]}

    def environment(self, longest, text=TEXT, most=90):
        names = {self.word(1, WORD[:52] + "_") + self.word(511, WORD + "_", 0) for _ in range(
            self.r.choice([1, 5, most]))}
        return {name: self.word(longest, text, 0) for name in names}

    def tags(self):
        letters = WORD + " _.:/=+-@é你"
        return {self.word(1) + self.word(127, letters, 0): self.word(256, letters, 0)
                for _ in range(self.r.choice([0, 1, 50]))}

    def common(self, types):
        s = {"instance_type": self.r.choice(types), "instance_count": self.r.choice([1, 2, 100]),
             "vpc": self.maybe(self.vpc), "kms_key": self.maybe(
                 lambda: self.word(2048, WORD + ":/_-"))}
        return {k: v for k, v in s.items() if v is not None}

    def training(self):
        script, spot = self.r.random() < 0.5, self.r.random() < 0.3
        run = self.r.randint(1, 100000)
        sagemaker = {**self.common(GPU), "spot": spot}
        spec = {"kind": "train", "channels": {self.word(64, WORD + "_.-"): self.uri("/")
                                              for _ in range(self.r.choice([1, 2, 19]))},
                "hyperparameters": self.hyperparameters(script), "sagemaker": sagemaker}
        spec["channels"] = {f"{k}"[:63] + "x": v for k, v in spec["channels"].items()}
        if script:
            spec["entry_point"] = self.word(100, WORD + "_/-") + ".py"
        if self.r.random() < 0.5:
            hub = not script and self.r.random() < 0.2
            spec["model"] = "org/name" if hub else self.uri("/")
        if spot or self.r.random() < 0.5:
            spec["max_runtime"] = f"{run}s"
        if spot and self.r.random() < 0.7:
            sagemaker["max_wait"] = self.seconds(run, 2 * run)
        if not spot and self.r.random() < 0.3:
            sagemaker["keep_alive"] = self.seconds(0, 21600)
        if self.r.random() < 0.3:
            sagemaker["volume_gb"] = self.r.randint(1, 16384)
        if self.r.random() < 0.4:
            spec["environment"] = self.environment(512)
        if self.r.random() < 0.4:
            spec["metric_definitions"] = [
                {"name": self.word(255, TEXT.replace("\n", "")),
                 "regex": self.word(500, TEXT.replace("\n", ""))}
                for _ in range(self.r.choice([1, 40]))]
        more = {"checkpoint_uri": self.maybe(lambda: self.uri("/")),
                "service_retries": self.r.choice([0, 1, 30]), "tags": self.tags(),
                "image": self.maybe(lambda: self.word(255, WORD + "./:-_"), 0.2)}
        if more["checkpoint_uri"] and self.r.random() < 0.5:
            more["checkpoint_path"] = "/" + self.word(200, WORD + "/_")
        return {"op": "training", "spec": spec, "name": self.name(), "role_arn": ROLE,
                "region": self.r.choice(REGIONS), "output_uri": self.uri("/"),
                "source_uri": self.maybe(lambda: self.uri("/sourcedir.tar.gz"), 0.9),
                **{k: v for k, v in more.items() if v is not None}}

    def serving(self):
        """The four questions of one deploy."""
        serverless = self.r.random() < 0.3
        sagemaker = self.common(HOSTS)
        if serverless:
            sagemaker = {"serverless": {"memory_mb": 1024 * self.r.randint(1, 6),
                                        "max_concurrency": self.r.randint(1, 200)}}
            if self.r.random() < 0.5:
                sagemaker["serverless"]["provisioned_concurrency"] = 1
        elif self.r.random() < 0.3:
            sagemaker["volume_gb"] = self.r.randint(1, 512)
        spec = {"kind": "deploy", "sagemaker": sagemaker}
        if self.r.random() < 0.4:
            spec["environment"] = self.environment(1024, WORD, 20)  # bytes, and 32 KiB of them
        model = self.r.choice([{"model_uri": self.uri(".tar.gz" if serverless else "/")},
                               {"hub_id": "org/name.v-1"}, {"model_uri": self.uri(".tar.gz")},
                               {"hub_id": "bert", "hub_revision": "main"}])
        tags, names = self.tags(), [self.name() for _ in range(3)]
        ends = {"spec": spec, "name": names[0], "config_name": names[1], "model_name": names[2],
                "tags": tags}
        return [{"op": "model", "spec": spec, "name": names[2], "role_arn": ROLE, "tags": tags,
                 "region": self.r.choice(REGIONS), **model},
                {"op": "config", **ends}, {"op": "endpoint", **ends}, {"op": "update", **ends}]


OPERATIONS = {"training": "CreateTrainingJob", "model": "CreateModel", "update": "UpdateEndpoint",
              "config": "CreateEndpointConfig", "endpoint": "CreateEndpoint"}


def judge_all(build, questions):
    answers = Probe(build).many(questions)
    bad = []
    for question, answer in zip(questions, answers):
        if "code" in answer:
            bad.append((question["op"], answer))
            continue
        bad += [(question["op"], p) for p in models.judge(OPERATIONS[question["op"]],
                                                          answer["body"])]
    assert not bad, bad[:5]
    return answers


@pytest.mark.parametrize("seed", range(4))
def test_training_jobs_are_what_the_service_takes(build, seed):
    maker = Maker(seed)
    questions = [maker.training() for _ in range(SPECS // 4)]
    for question, answer in zip(questions, judge_all(build, questions)):
        body, given = answer["body"], question["spec"]["hyperparameters"]
        sent = {k: v for k, v in body["HyperParameters"].items() if not k.startswith("sagemaker_")}
        for name in ("model_name", "checkpoint_dir"):
            sent.pop(name, None)
        assert sent == {k: json.dumps(v) for k, v in given.items()}
        assert {c["ChannelName"] for c in body["InputDataConfig"]} == set(
            question["spec"]["channels"]) | (
                {"model"} if question["spec"].get("model", "").startswith("s3:") else set())


@pytest.mark.parametrize("seed", range(2))
def test_endpoints_are_what_the_service_takes(build, seed):
    maker = Maker(1000 + seed)
    judge_all(build, [q for _ in range(SPECS // 8) for q in maker.serving()])


def test_the_judge_judges():
    """A body with a fault is not let through."""
    good = {"EndpointName": "e", "EndpointConfigName": "c"}
    assert not models.judge("CreateEndpoint", good)
    assert models.judge("CreateEndpoint", {**good, "EndpointName": "a_b"})
    assert models.judge("CreateEndpoint", {**good, "EndpointName": "a" * 64})
    assert models.judge("CreateEndpoint", {**good, "Nonsense": 1})
    assert models.judge("CreateEndpoint", {"EndpointName": "e"})
    assert models.judge("CreateEndpoint", {**good, "Tags": [{"Key": "a", "Value": "50%"}]})
    assert models.judge("CreateEndpoint", {**good, "Tags": [{"Key": "", "Value": ""}]})


def floats(r):
    yield from (2.0 ** e for e in range(-1074, 1024))
    yield from (float(f"{m}e{e}") for m in (1, 5, 9, 9.999999999999999) for e in range(-30, 30))
    while True:
        v = struct.unpack("<d", r.randbytes(8))[0]
        if math.isfinite(v):
            yield v
        yield r.choice([r.random(), r.uniform(-1e6, 1e6), round(r.random(), r.randint(1, 8))])


def test_numbers_are_written_as_python_writes_them(build):
    values = [v for v, _ in zip(floats(random.Random(3)), range(VALUES))]
    answers = Probe(build).many([{"op": "dumps", "value": v} for v in values])
    assert [a["body"] for a in answers] == [json.dumps(v) for v in values]


def test_values_are_written_as_json_dumps_writes_them(build):
    maker = Maker(5)
    values = [maker.value() for _ in range(5000)]
    answers = Probe(build).many([{"op": "dumps", "value": v} for v in values])
    assert [a["body"] for a in answers] == [json.dumps(v) for v in values]


def image_questions():
    """(question, URI or None) for every image and region of the SDK's table."""
    for key, entry in SDK["images"].items():
        role, version, torch, processor = key.split()
        for region, host in SDK["registries"].items():
            yield ({"op": "image", "role": int(role == "inference"), "region": region,
                    "version": f"{version}-{torch}",
                    "instance_type": "ml.g5.xlarge" if processor == "gpu" else "ml.m5.xlarge"},
                   None if region in entry["without"] else f"{host}/{entry['image']}")


def test_images_are_those_of_the_sdk(build):
    asked = list(image_questions())
    answers = Probe(build).many([question for question, _ in asked])
    assert len(asked) > 1400
    for (question, uri), answer in zip(asked, answers):
        assert answer.get("body") == uri, question
        if uri is None:
            assert answer["field"] == "/sagemaker/region" and "sagemaker.image" in answer["error"]


@pytest.mark.parametrize("asked, version", [
    (None, "4.56.2"), ("4.49", "4.49.0"), ("4.49.0", "4.49.0"), ("5.3", "5.3.0"),
    ("4.6.1-pytorch1.7", "4.6.1")])
def test_versions_may_be_short(build, asked, version):
    uri = Probe(build).ask(op="image", role=0, region="us-east-1", instance_type="ml.g5.xlarge",
                           **({"version": asked} if asked else {}))
    assert f"-transformers{version}-gpu-" in uri
    assert asked != "4.6.1-pytorch1.7" or ":1.7.1-" in uri


@pytest.mark.parametrize("version", ["4.490", "4.5.0-pytorch9", "", "-pytorch1.7.1", "x", "4."])
def test_versions_that_there_are_not(build, version):
    with pytest.raises(Refused, match="sagemaker.image"):
        Probe(build).ask(op="image", role=0, region="us-east-1", instance_type="ml.g5.xlarge",
                         version=version)


@pytest.mark.parametrize("kind, word", [
    ("ml.inf2.xlarge", "Neuron"), ("ml.trn1.2xlarge", "Neuron"), ("ml.m6g.large", "ARM"),
    ("ml.c7gd.large", "ARM"), ("ml.t4g.small", "ARM"), ("g5.xlarge", "not a SageMaker"),
    ("ml.", "not a SageMaker"), ("", "not a SageMaker")])
def test_instances_without_a_container(build, kind, word):
    for role in (0, 1):
        with pytest.raises(Refused, match=word) as e:
            Probe(build).ask(op="image", role=role, region="us-east-1", instance_type=kind)
        assert e.value.field == "/sagemaker/instance_type"
