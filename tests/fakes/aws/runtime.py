# SPDX-License-Identifier: MIT
"""SageMaker runtime: InvokeEndpoint. Answers come from the model's own parity.json where the text
is in it, else made up from the text, always the same; or from a real worker (hosting.py)."""
import io
import json
import re
import tarfile

import artifacts
import checks
import models
from errors import ACCOUNT, Fault
from httpd import Response

BODY_MAX = 6_291_456  # BodyBlob of botocore/data/sagemaker-runtime/2017-05-13/service-2.json
# "4 MB": docs.aws.amazon.com/sagemaker/latest/dg/deploy-model-options.html
SERVERLESS_BODY_MAX = 4 * 1024 * 1024
PATH = re.compile(r"/endpoints/([^/]+)/invocations$")


class Runtime:
    def __init__(self, app):
        self.app = app
        self.known = {}

    def parse(self, request):
        found = PATH.match(request.path)
        if not found or request.method != "POST":
            raise Fault("UnknownOperationException", "", 404)
        return "InvokeEndpoint", found[1], None

    def fault(self, f, context):
        body = json.dumps({"Message": f.message, "message": f.message, **f.extra})
        return Response(f.status, body, [("x-amzn-errortype", f.code)], "application/json")

    def call(self, context, _):
        request = context.request
        with self.app.state.lock:
            endpoint = self.app.machines.advance("endpoint", f"{context.region}/{context.name}")
            if not endpoint or endpoint["status"] in ("Creating", "Failed", "Deleting"):
                raise Fault("ValidationError", f"Endpoint {context.name} of account {ACCOUNT} not "
                            "found.")
            endpoint = dict(endpoint)
        serverless = any("ServerlessConfig" in v["variant"] for v in endpoint["variants"])
        limit = SERVERLESS_BODY_MAX if serverless else BODY_MAX
        if request.body.size > limit:
            raise Fault("ValidationError", f"Request {request.body.size} bytes has exceeded the "
                        f"limit of {limit} bytes.", 413)
        variant = chosen_variant(endpoint, request)
        if self.app.hosting:
            status, answer = self.app.hosting.ask(endpoint, request)
        else:
            status, answer = self.answer(endpoint, request)
        if status != 200:
            raise model_error(context, variant, status, answer)
        headers = [("x-Amzn-Invoked-Production-Variant", variant)]
        custom = request.header("x-amzn-sagemaker-custom-attributes")
        if custom:  # the fake's container says them again, as a container may
            headers.append(("X-Amzn-SageMaker-Custom-Attributes", custom))
        return Response(200, answer, headers,
                        request.header("accept", "*/*").replace("*/*", "application/json"))

    def answer(self, endpoint, request):
        """As the Hugging Face inference container answers: (status, body)."""
        try:
            body = json.loads(request.body.data)
        except ValueError:
            return 400, container_error("The payload is not JSON")
        inputs = body.pop("inputs", body) if isinstance(body, dict) else body
        parameters = body.get("parameters") or {} if isinstance(body, dict) else {}
        model = self.model(endpoint)
        many = isinstance(inputs, list)
        try:
            answers = [self.one(model, x, parameters) for x in (inputs if many else [inputs])]
        except (TypeError, KeyError, AttributeError):
            return 400, container_error("text input must be of type `str` (single example) or "
                                        "`List[str]` (batch of examples)")
        whole = "top_k" not in parameters and not parameters.get("return_all_scores")
        out = [a[0] for a in answers] if whole else answers if many else answers[0]
        scenario = self.app.machines.scenario("endpoint", endpoint)
        if scenario.get("wrong_answers"):
            out = json.loads(json.dumps(out), object_hook=lambda d: {**d, "score": 0.0001}
                             if "score" in d else d)
        return 200, json.dumps(out, separators=(",", ":"))

    def one(self, model, item, parameters):
        text, pair = item, None
        if isinstance(item, dict):
            text, pair = item["text"], item.get("text_pair")
        if not isinstance(text, str):
            raise TypeError
        known = model["samples"].get((text, pair or None))
        rows = artifacts.answer(text, pair, model["labels"])
        if known:
            others = [label for label in model["labels"] if label != known["label"]]
            rest = (1 - known["score"]) / max(1, len(others))
            rows = [(known["label"], known["score"]), *((label, rest) for label in others)]
        top = parameters.get("top_k")
        return [{"label": label, "score": score} for label, score in rows[:top or len(rows)]]

    def model(self, endpoint):
        """{"labels", "samples"} of the model behind it, read once for each of its versions."""
        key = (endpoint["arn"], endpoint["created"], endpoint["config"])
        if key not in self.known:
            self.known[key] = self.read_model(endpoint)
        return self.known[key]

    def read_model(self, endpoint):
        config, parity = {}, {}
        for container in models.containers(endpoint["variants"][0]["model"]):
            for name, data in small_files(self.app, container).items():
                try:
                    if name == "config.json":
                        config = json.loads(data)
                    elif name == "parity.json":
                        parity = json.loads(data)
                except ValueError:
                    pass
        labels = list(config.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"}).values())
        samples = {(s["text"], s.get("text_pair") or None): s for s in parity.get("samples", [])}
        return {"labels": labels, "samples": samples}


def chosen_variant(endpoint, request):
    """The variant that is asked; a header that this endpoint has nothing for is refused. The names
    are those of InvokeEndpoint in botocore/data/sagemaker-runtime/2017-05-13/service-2.json."""
    names = [v["variant"]["VariantName"] for v in endpoint["variants"]]
    wanted = request.header("x-amzn-sagemaker-target-variant") or names[0]
    if wanted not in names:
        raise Fault("ValidationError", f"Variant {wanted} of endpoint {endpoint['name']} of "
                    f"account {ACCOUNT} not found.")
    for name in ("target-model", "target-container-hostname", "inference-component"):
        if request.header(f"x-amzn-sagemaker-{name}"):
            raise Fault("ValidationError", f"Endpoint {endpoint['name']} of account {ACCOUNT} is "
                        f"not one that takes the header X-Amzn-SageMaker-{name.title()}.")
    return wanted


def has_model(app, container):
    """Hugging Face's container loads the model when it starts: without a config.json at the root of
    /opt/ml/model no worker comes up, and the health check fails."""
    return not ("ModelDataUrl" in container or "ModelDataSource" in container) or \
        "config.json" in small_files(app, container)


def small_files(app, container):
    """config.json and parity.json of a model, out of its archive or its prefix."""
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    uri = source["S3Uri"] if source else container.get("ModelDataUrl")
    if not uri:
        return {}
    bucket, key = checks.bucket_key(uri)
    names = ("config.json", "parity.json")
    if source and source["S3DataType"] == "S3Prefix":
        found = {n: app.s3.get_bytes(bucket, key + n) for n in names}
        return {n: data for n, data in found.items() if data is not None}
    data, found = app.s3.get_bytes(bucket, key), {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data or b""), mode="r:gz") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if name in names and member.isfile():
                    found[name] = tar.extractfile(member).read()
    except tarfile.TarError:
        pass
    return found


def container_error(message, code=400):
    return json.dumps({"code": code, "type": "InternalServerException", "message": message})


def model_error(context, variant, status, answer):
    text = answer if isinstance(answer, str) else answer.decode("utf-8", "replace")
    word = "client" if status < 500 else "server"
    where = (f"https://{context.region}.console.aws.amazon.com/cloudwatch/home?region="
             f"{context.region}#logEventViewer:group=/aws/sagemaker/Endpoints/{context.name}")
    return Fault("ModelError", f'Received {word} error ({status}) from primary with message '
                 f'"{text}". See {where} in account {ACCOUNT} for more information.', 424,
                 OriginalStatusCode=status, OriginalMessage=text,
                 LogStreamArn=f"arn:aws:logs:{context.region}:{ACCOUNT}:log-group:/aws/sagemaker/"
                 f"Endpoints/{context.name}")
