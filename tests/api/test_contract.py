# SPDX-License-Identifier: MIT
"""One contract in three places, the table of routes, openapi.json and docs/api.md; the daemon keeps
it."""
import re

import jsonschema
import openapi_spec_validator
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (response_schema_conformance,
                                               status_code_conformance)

from client import NO_JOB, NO_RUN, check, closed
from trainyardd import ROOT

ROUTE = re.compile(r'\{"([A-Z]+)", "(/[^"]*)", (\w+),\s*(?:NULL|PARAMS\(([^)]*)\)),\s*'
                   r'BODY_(\w+),\s*(true|false),\s*"([^"]*)"\}')


@pytest.fixture(scope="module")
def routes():
    """{(method, path): (handler, parameters, body, summary)} of api/routes.c."""
    text = (ROOT / "api/routes.c").read_text()
    found = {(m[1], m[2].replace("...", "")): (m[3], re.findall(r'"(\w+)"', m[4] or ""), m[5], m[7])
             for m in ROUTE.finditer(text)}
    assert len(found) == text.count('\n\t{"'), "a route that this test cannot read"
    return found


@pytest.fixture(scope="module")
def document(daemon):
    return daemon.get("/openapi.json")


def operations(document):
    return {(method.upper(), path): operation for path, item in document["paths"].items()
            for method, operation in item.items()}


def test_the_document_is_valid(document):
    openapi_spec_validator.validate(document)
    assert document["info"]["version"]


def test_the_job_schema_is_in_it(document):
    job = document["components"]["schemas"]["JobSpec"]
    jsonschema.Draft202012Validator.check_schema(job)
    jsonschema.validate({"kind": "delete-endpoint", "endpoint": "x"}, job)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"kind": "delete-endpoint", "endpiont": "x"}, job)


def test_routes_and_document_are_the_same(routes, document):
    described = operations(document)
    assert set(described) == set(routes)
    for key, (handler, parameters, body, summary) in routes.items():
        operation = described[key]
        assert operation["operationId"] == handler
        assert operation["summary"] == summary
        said = operation.get("parameters", [])
        assert [p["name"] for p in said if p.get("in") == "query"] == parameters, key
        assert [p["name"] for p in said if p.get("in") == "path"] == \
            re.findall(r"\{(\w+)\}", key[1])
        if body in ("JSON", "RAW"):
            assert operation["requestBody"]["required"] is True, key
        if body == "NONE":
            assert "requestBody" not in operation, key


def test_every_route_has_its_heading_in_the_docs(routes):
    text = (ROOT / "docs/api.md").read_text()
    headings = re.findall(r"^### ([A-Z]+) (/\S*)$", text, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == set(routes)


def test_every_parameter_is_in_the_docs(routes):
    text = (ROOT / "docs/api.md").read_text()
    sections = {m[1]: m[2] for m in re.finditer(r"^### (.*)\n((?:(?!#).*\n)*)", text, re.MULTILINE)}
    common = {"limit", "cursor", "sort", "view", "state", "name", "tag", "created_after",
              "created_before"}  # told once, at the list of runs and in the conventions
    for (method, path), (_, parameters, _, _) in routes.items():
        words = set(re.findall(r"\w+", sections[f"{method} {path}"]))
        missing = set(parameters) - words - (common if path in ("/v1/jobs", "/v1/runs") else set())
        if path.endswith("/logs") and "as for jobs" in sections[f"{method} {path}"]:
            missing -= {"offset", "tail", "limit", "follow"}
        assert not missing, f"{method} {path}: {missing}"


def test_every_described_route_is_there(daemon, document):
    """The daemon knows each path and method of the document, and no other method of these paths."""
    for path, item in document["paths"].items():
        url = re.sub(r"\{(\w+)\}", lambda m: {"job": NO_JOB, "run": NO_RUN, "name": "nothing",
                                              "path": "model/x"}[m[1]], path)
        allow = set(daemon.ask("OPTIONS", url).headers["Allow"].split(", ")) - {"HEAD"}
        assert allow == {method.upper() for method in item}, path


def test_real_answers_are_as_described(daemon, document, script, done):
    strict = closed(document)
    failed = daemon.wait_end(daemon.submit_job(script("exit3.py"))["id"])
    held = daemon.submit_job({**script("hello.py"), "held": True, "tags": {"a": "b"}})
    for job in (done, failed, held):
        check(strict, "Job", daemon.get(f"/v1/jobs/{job['id']}"))
        check(strict, "Run", daemon.get(f"/v1/runs/{job['run']}"))
        check(strict, "Explanation", daemon.get(f"/v1/jobs/{job['id']}/explain"))
        for attempt in daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"]:
            check(strict, "Attempt", attempt)
    for noun, name in (("runs", "Run"), ("jobs", "Job"), ("queue", "Job")):
        for item in daemon.get(f"/v1/{noun}")["items"]:
            check(strict, name, item)
    for event in daemon.get("/v1/events", since=0, limit=500)["items"]:
        check(strict, "Event", event)
    check(strict, "Overview", daemon.get("/v1/overview"))
    check(strict, "Devices", daemon.get("/v1/devices"))
    check(strict, "Validation", daemon.post("/v1/validate", script("hello.py")).json())
    check(strict, "Validation", daemon.post("/v1/validate", {"kind": "nothing"}).json())
    check(strict, "Problem", daemon.post("/v1/jobs", {"kind": "nothing"}).json())


def try_operation(operation, mode, url):
    """A few requests made up from the description (or against it); the answers are as described."""
    @settings(max_examples=6, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode))
    def once(case):
        if case.query and "wait" in case.query:
            case.query["wait"] = 0
        answer = case.call(base_url=url, timeout=60)
        # no test's daemon has keys of an account
        without_keys = answer.status_code == 503 and \
            answer.json()["type"] == "urn:trainyard:credentials"
        assert answer.status_code < 500 or without_keys, (case.as_curl_command(), answer.text)
        case.validate_response(answer, checks=[status_code_conformance,
                                               response_schema_conformance])
    once()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_made_up_requests_get_described_answers(fresh, document, mode):
    d = fresh()
    schema = schemathesis.openapi.from_dict(document)
    tried = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        tried.add((operation.method.upper(), operation.path))
        try:
            try_operation(operation, mode, d.url)
        except Unsatisfiable:  # there is nothing to get wrong
            assert mode == GenerationMode.NEGATIVE
    assert tried == set(operations(document))
    assert d.get("/healthz") == {"status": "ok"}
