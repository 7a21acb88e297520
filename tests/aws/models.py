# SPDX-License-Identifier: MIT
"""botocore's service model as a judge of request bodies: botocore's own validator for names, types
and required members, and what that one leaves out: patterns, enumerations, lengths and ranges."""
import re
import unicodedata

import botocore.session
from botocore.validate import ParamValidator

SERVICE = botocore.session.get_session().get_service_model("sagemaker")
LETTERS = {"L", "Z", "N"}


def tag_text(text):
    """Java's [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*, which Python's re cannot say."""
    return all(unicodedata.category(c)[0] in LETTERS or c in "_.:/=+-@" for c in text)


def matches(pattern, text):
    if "\\p{" in pattern:
        assert pattern.startswith("([\\p{L}\\p{Z}\\p{N}"), pattern
        return tag_text(text)
    return re.fullmatch(pattern, text, re.ASCII) is not None


def problems(shape, value, place=""):
    """What the model says against the value, one text for each."""
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        return [p for name, member in value.items()
                for p in problems(shape.members[name], member, f"{place}/{name}")]
    size = value if kind in ("integer", "long", "float") else len(value) if kind in (
        "string", "list", "map") else None
    found = []
    if size is not None and size < limits.get("min", size):
        found.append(f"{place}: {size} is below {limits['min']}")
    if size is not None and size > limits.get("max", size):
        found.append(f"{place}: {size} is above {limits['max']}")
    if kind == "string":
        if "enum" in limits and value not in limits["enum"]:
            found.append(f"{place}: '{value}' is not in the enumeration")
        if "pattern" in limits and not matches(limits["pattern"], value):
            found.append(f"{place}: '{value}' does not match {limits['pattern']}")
    elif kind == "list":
        found += [p for i, v in enumerate(value)
                  for p in problems(shape.member, v, f"{place}/{i}")]
    elif kind == "map":
        for k, v in value.items():
            found += problems(shape.key, k, f"{place}/{k}~")
            found += problems(shape.value, v, f"{place}/{k}")
    return found


def judge(operation, body):
    shape = SERVICE.operation_model(operation).input_shape
    report = ParamValidator().validate(body, shape)
    if report.has_errors():
        return [report.generate_report()]
    return problems(shape, body)
