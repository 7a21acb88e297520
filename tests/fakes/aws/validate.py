# SPDX-License-Identifier: MIT
"""Checks a request against botocore's service model: required members, types, lengths, ranges,
patterns, enumerations; unknown members too. Each shape is compiled once into a closure. The
sentences are those of the AWS services."""
import functools
import re
import threading

import botocore.loaders
import botocore.model

from errors import Fault, invalid

SHOWN_MAX = 200


@functools.cache
def service_model(name):
    loader = botocore.loaders.Loader()
    return botocore.model.ServiceModel(loader.load_service_model(name, "service-2"), name)


def camel(name):
    return name[:1].lower() + name[1:]


def shown(value):
    text = str(value)
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"


@functools.cache
def pattern(text):
    """The service's (Java) pattern for Python's re; Unicode classes as near as re has them."""
    text = re.sub(r"\\p\{(L|N|M)\}", r"\\w", text)
    text = re.sub(r"\\p\{Z\}", r"\\s", text)
    text = re.sub(r"\\p\{(P|S)\}", r"!-/:-@\\[-`{-~", text)
    text = text.replace(r"\p{Graph}", "!-~").replace(r"\p{ASCII}", r"\x00-\x7f")
    try:
        return re.compile(text)
    except re.error:
        return None


class Compiler:
    def __init__(self, model):
        self.model = model
        self.made = {}
        self.lock = threading.RLock()  # two requests may need the same shape first

    def of(self, shape):
        name = shape.name
        with self.lock:
            if name not in self.made:
                self.made[name] = self.make_any(shape)  # a shape may contain itself
                make = getattr(self, "make_" + shape.type_name, self.make_any)
                self.made[name] = make(shape)
        return lambda v, p, e: self.made[name](v, p, e)

    def make_any(self, shape):
        return lambda value, path, errors: None

    def make_structure(self, shape):
        if shape.metadata.get("document"):
            return self.make_any(shape)
        members = {name: self.of(member) for name, member in shape.members.items()}
        required = list(shape.required_members)

        def check(value, path, errors):
            wrong_type(value, dict, path, "a structure")
            for name in required:
                if value.get(name) is None:
                    errors.append(constraint(None, join(path, camel(name)),
                                             "Member must not be null"))
            for name, v in value.items():
                member = members.get(name)
                if member is None:
                    raise invalid(f"1 validation error detected: Value at '{join(path, name)}' "
                                  "failed to satisfy constraint: Member is not known to the model")
                if v is not None:
                    member(v, join(path, camel(name)), errors)
        return check

    def make_list(self, shape):
        item = self.of(shape.member)
        sizes = limits(shape, "length")

        def check(value, path, errors):
            wrong_type(value, list, path, "a list")
            for text in sizes(len(value)):
                errors.append(constraint(value, path, text))
            for i, v in enumerate(value):
                item(v, f"{path}.{i + 1}.member", errors)
        return check

    def make_map(self, shape):
        key, item = self.of(shape.key), self.of(shape.value)
        sizes = limits(shape, "length")

        def check(value, path, errors):
            wrong_type(value, dict, path, "a map")
            for text in sizes(len(value)):
                errors.append(constraint(value, path, text))
            for what, sub, check_one in (("key", value.keys(), key),
                                         ("value", value.values(), item)):
                inner = []
                for v in sub:
                    check_one(v, path, inner)
                if inner:
                    texts = ", ".join(dict.fromkeys(e[1] for e in inner))
                    errors.append(constraint(value, path,
                                             f"Map {what} must satisfy constraint: [{texts}]"))
        return check

    def make_string(self, shape):
        sizes = limits(shape, "length")
        enum = shape.enum
        known = frozenset(enum)
        text = shape.metadata.get("pattern")
        regex = pattern(text) if text else None

        def check(value, path, errors):
            wrong_type(value, str, path, "a string")
            for t in sizes(len(value)):
                errors.append(constraint(value, path, t))
            if known and value not in known:
                errors.append(constraint(value, path, "Member must satisfy enum value set: "
                                         f"[{', '.join(sorted(enum))}]"))
            if regex and not regex.fullmatch(value):
                errors.append(constraint(value, path, "Member must satisfy regular expression "
                                         f"pattern: {text}"))
        return check

    def number(self, shape, types, word):
        sizes = limits(shape, "value")

        def check(value, path, errors):
            wrong_type(value, types, path, word)
            for text in sizes(value):
                errors.append(constraint(value, path, text))
        return check

    def make_integer(self, shape):
        return self.number(shape, int, "an integer")

    make_long = make_integer

    def make_float(self, shape):
        return self.number(shape, (int, float), "a number")

    make_double = make_timestamp = make_float

    def make_boolean(self, shape):
        return lambda value, path, errors: wrong_type(value, bool, path, "a boolean")


def join(path, name):
    return f"{path}.{name}" if path else name


def constraint(value, path, text):
    where = "Value null" if value is None else f"Value '{shown(value)}'"
    return f"{where} at '{path}' failed to satisfy constraint: {text}", text


def wrong_type(value, types, path, word):
    if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
        raise Fault("SerializationException", f"The value at '{path or '/'}' is not {word}")


def limits(shape, word):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    kind = "have length" if word == "length" else "have value"

    def check(n):
        if low is not None and n < low:
            yield f"Member must {kind} greater than or equal to {low}"
        if high is not None and n > high:
            yield f"Member must {kind} less than or equal to {high}"
    return check if low is not None or high is not None else lambda n: ()


@functools.cache
def compiler(service):
    return Compiler(service_model(service))


@functools.cache
def checker(service, operation):
    shape = service_model(service).operation_model(operation).input_shape
    return compiler(service).of(shape) if shape else None


def validate(service, operation, value):
    """Raise what the service would answer to `value` as the input of `operation`."""
    check = checker(service, operation)
    errors = []
    if check:
        check(value, "", errors)
    if errors:
        noun = "error" if len(errors) == 1 else "errors"
        raise invalid(f"{len(errors)} validation {noun} detected: "
                      + "; ".join(text for text, _ in errors))


def known_members(service, operation, value):
    """Those members of `value` that the operation's answer has too."""
    shape = service_model(service).operation_model(operation).output_shape
    return {k: v for k, v in value.items() if k in shape.members}
