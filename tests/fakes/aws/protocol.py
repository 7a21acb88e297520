# SPDX-License-Identifier: MIT
"""The wire forms: JSON 1.1 (SageMaker, Logs) and the query protocol with XML answers (IAM, STS).
A service is a table of functions: operation → function(context, input) → output."""
import json
import time
from datetime import datetime
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from errors import Fault
from httpd import Response
from validate import service_model, validate


class Context:
    """One call: who, where, what."""

    def __init__(self, app, caller, region, operation, name, request):
        self.app = app
        self.state = app.state
        self.caller = caller
        self.region = region
        self.operation = operation
        self.name = name
        self.request = request
        self.rule = None

    def ruled(self, do):
        return self.rule is not None and self.rule["do"] == do


def iso(at):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def named(value):
    """The name that a call is about: the first member that ends with Name or Arn."""
    for suffix in ("Name", "Arn"):
        for k, v in value.items():
            if k.endswith(suffix) and isinstance(v, str) and k != "logGroupName":
                return v
    return value.get("logGroupName", "")


class JsonService:
    content_type = "application/x-amz-json-1.1"

    def __init__(self, model, prefix, table):
        self.model = model
        self.prefix = prefix
        self.table = table

    def parse(self, request):
        target = request.header("x-amz-target", "")
        prefix, _, operation = target.rpartition(".")
        if prefix != self.prefix:
            raise Fault("UnknownOperationException", "", 404)
        try:
            value = json.loads(request.body.data or b"{}")
            if not isinstance(value, dict):
                raise ValueError
        except ValueError:
            raise Fault("SerializationException", "The request is not a JSON object") from None
        return operation, named(value), value

    def call(self, context, value):
        function = self.table.get(context.operation)
        if not function:
            raise Fault("UnknownOperationException",
                        f"The fake does not know {context.operation}", 404)
        validate(self.model, context.operation, value)
        output = function(context, value)
        body = json.dumps(output, separators=(",", ":")) if output is not None else ""
        return Response(200, body, content_type=self.content_type)

    def fault(self, f, context):
        body = json.dumps({"__type": f.code, "Message" if f.status >= 500 or f.code in
                           ("ResourceInUse", "ResourceNotFound", "ResourceLimitExceeded")
                           else "message": f.message, **f.extra})
        return Response(f.status, body, content_type=self.content_type)


class QueryService:
    def __init__(self, model, namespace, version, table):
        self.model = model
        self.namespace = namespace
        self.version = version
        self.table = table

    def parse(self, request):
        fields = dict(parse_qsl(request.body.data.decode("utf-8", "replace"),
                                keep_blank_values=True))
        operation = fields.pop("Action", "")
        if fields.pop("Version", None) != self.version or operation not in self.table:
            raise Fault("InvalidAction", f"Could not find operation {operation} for version "
                        f"{self.version}")
        shape = service_model(self.model).operation_model(operation).input_shape
        value = unflatten(shape, fields) if shape else {}
        return operation, named(value), value

    def call(self, context, value):
        try:
            validate(self.model, context.operation, value)
        except Fault as f:
            raise Fault("ValidationError", f.message) from None
        output = self.table[context.operation](context, value)
        shape = service_model(self.model).operation_model(context.operation).output_shape
        inner = to_xml(shape, output) if shape else ""
        op = context.operation
        return Response(200, f'<{op}Response xmlns="{self.namespace}"><{op}Result>{inner}'
                        f"</{op}Result><ResponseMetadata><RequestId>{context.request.id}"
                        f"</RequestId></ResponseMetadata></{op}Response>",
                        content_type="text/xml")

    def fault(self, f, context):
        kind = "Receiver" if f.status >= 500 else "Sender"
        return Response(f.status, f'<ErrorResponse xmlns="{self.namespace}"><Error><Type>{kind}'
                        f"</Type><Code>{escape(f.code)}</Code><Message>{escape(f.message)}"
                        f"</Message></Error><RequestId>{context.request.id}</RequestId>"
                        "</ErrorResponse>",
                        content_type="text/xml")


def unflatten(shape, fields):
    """Form fields (A.member.1.B=…) as the structure `shape`."""
    value = {}
    for name, member in shape.members.items():
        if member.type_name == "list":
            items, n = [], 1
            while True:
                prefix = f"{name}.member.{n}"
                if prefix in fields:
                    items.append(fields[prefix])
                else:
                    inner = {k[len(prefix) + 1:]: v for k, v in fields.items()
                             if k.startswith(prefix + ".")}
                    if not inner:
                        break
                    items.append(unflatten(member.member, inner))
                n += 1
            if items:
                value[name] = items
        elif name in fields:
            value[name] = scalar(member, fields[name])
    known = set(shape.members)
    for field in fields:
        if field.split(".")[0] not in known:
            value[field.split(".")[0]] = fields[field]
    return value


def scalar(shape, text):
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name == "boolean":
            return {"true": True, "false": False}[text]
        if shape.type_name == "timestamp":
            return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except (KeyError, ValueError):
        raise Fault("MalformedInput", f"'{text}' is not a {shape.type_name}") from None
    return text


def to_xml(shape, value):
    if shape.type_name == "structure":
        return "".join(f"<{name}>{to_xml(member, value[name])}</{name}>"
                       for name, member in shape.members.items() if value.get(name) is not None)
    if shape.type_name == "list":
        return "".join(f"<member>{to_xml(shape.member, v)}</member>" for v in value)
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return iso(value)
    return escape(str(value))
