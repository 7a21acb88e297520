# SPDX-License-Identifier: MIT
"""What the real sagemaker-training package makes of a base directory: argv and environment as JSON
on stdout. usage: toolkit_env.py PACKAGE_DIR BASE_DIR (its AWS client is replaced by a stand-in)."""
import json
import os
import sys
import types

sys.path.insert(0, sys.argv[1])
os.environ["SAGEMAKER_BASE_DIR"] = sys.argv[2]
region = os.environ.get("AWS_REGION")
sys.modules["boto3"] = types.SimpleNamespace(
    session=types.SimpleNamespace(Session=lambda: types.SimpleNamespace(region_name=region)))

from sagemaker_training import environment  # noqa: E402

env = environment.Environment()
print(json.dumps({"args": env.to_cmd_args(), "env": env.to_env_vars(),
                  "other": {k: os.environ[k] for k in
                            ("SAGEMAKER_JOB_NAME", "CURRENT_HOST", "SAGEMAKER_REGION")}}))
