# SPDX-License-Identifier: MIT
"""Calls the request builders of jobs/sagemaker/requests.h through the program request_probe."""
import json
import subprocess

ROLE = "arn:aws:iam::123456789012:role/SageMakerMain"


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(answer["error"])
        self.code, self.field = answer["code"], answer["field"]


class Probe:
    """One question a call, or many of them in one process with `many`."""

    def __init__(self, build):
        self.program = build / "tests/aws/request_probe"

    def many(self, questions):
        """The answers, as request_probe.c describes them."""
        lines = "".join(json.dumps(q) + "\n" for q in questions)
        done = subprocess.run([self.program], input=lines, capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(questions)
        return answers

    def ask(self, **question):
        [answer] = self.many([question])
        if "code" in answer:
            raise Refused(answer)
        return answer["body"]

    def training(self, spec, **more):
        return self.ask(**{"op": "training", "spec": spec, "name": "trainyard-train-0123456789ab",
                           "region": "us-east-1", "role_arn": ROLE,
                           "source_uri": "s3://bucket/source/sourcedir.tar.gz",
                           "output_uri": "s3://bucket/out/", **more})
