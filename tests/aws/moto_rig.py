# SPDX-License-Identifier: MIT
"""moto's server with authentication: a request with a wrong signature is refused."""
import json
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import boto3
from wait import DEADLINE_S, wait_for

REGION = "us-east-1"
ALLOW = {"Version": "2012-10-17",
         "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TRUST = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "sagemaker.amazonaws.com"}}]}


def post(url, text):
    request = urllib.request.Request(url, text.encode(), {"Content-Type": "text/plain"})
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        assert answer.status == 200


def user_with_all_rights(url):
    """Its keys, as the environment has them."""
    iam = boto3.client("iam", endpoint_url=url, region_name=REGION, aws_access_key_id="a",
                       aws_secret_access_key="b")
    iam.create_user(UserName="user")
    iam.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=json.dumps(ALLOW))
    for name in ("trainer", "other"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    key = iam.create_access_key(UserName="user")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@contextmanager
def moto_server():
    """A server that believes signatures only, and the keys of a user with all rights."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p",
                               str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def answers():
        assert server.poll() is None
        try:
            post(url + "/moto-api/reset", "")
        except OSError:
            return False
        return True

    try:
        wait_for("moto", answers)
        keys = user_with_all_rights(url)
        post(url + "/moto-api/reset-auth", "0")
        yield url, keys
    finally:
        server.terminate()
        server.wait(DEADLINE_S)
