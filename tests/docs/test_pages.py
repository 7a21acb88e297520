# SPDX-License-Identifier: MIT
"""Each fenced block of each page does what the page says. A block that no test can run says why in
a comment before it: `<!-- not run: the reason -->`; a new block without one is run."""
import json
import re

import jsonschema
import pytest
import requests
import yaml

from blocks import all_blocks, commands_of, inline_commands, pages
from trainyardd import ROOT

BLOCKS = all_blocks()
LANGUAGES = {"sh", "json", "ini", "yaml", ""}
SCRIPTED = sorted({b.page for b in BLOCKS if b.language == "sh" and not b.reason})
# These pages start the daemon themselves.
ALONE = {"docs/fake-aws.md"}
# What exists before the page begins.
BEFORE = {"docs/api.md": {"name": "before", "jobs": [
    {"name": "deploy", "kind": "deploy", "model": "minilm", "endpoint": "imdb"}]}}


def of(language):
    return [pytest.param(b, id=str(b)) for b in BLOCKS if b.language == language and not b.reason]


def test_every_block_has_a_language_that_is_tested():
    assert not [str(b) for b in BLOCKS if b.language not in LANGUAGES]
    assert not [str(b) for b in BLOCKS if not b.language and "$ " in b.text]


def test_a_block_that_is_not_run_says_why():
    short = [str(b) for b in BLOCKS if b.reason and len(b.reason) < 15]
    assert not short and sum(bool(b.reason) for b in BLOCKS) < 12


@pytest.mark.parametrize("page", SCRIPTED)
def test_the_commands_of_a_page(console, page):
    shell = console(world=page not in ALONE)
    if page in BEFORE:
        run = requests.post(shell.daemon.url + "/v1/runs", json=BEFORE[page], timeout=60).json()
        shell.daemon.wait_run(run["id"])
    for block in BLOCKS:
        if block.page == page and block.language == "sh" and not block.reason:
            for command, shown in commands_of(block):
                shell.play(command, shown)


def schema_of(heading, document):
    """The schema of the answer to "GET /v1/jobs/{job}"; None: the heading is no route."""
    method, _, path = heading.partition(" ")
    route = document["paths"].get(path, {}).get(method.lower())
    if not route:
        return None
    answer = route["responses"]["200"]["content"]["application/json"]["schema"]
    return {**answer, "components": document["components"]}


@pytest.mark.parametrize("block", of("json"))
def test_json_of_a_page_is_valid(world, block):
    """A spec passes `validate`; the answer of a route has the schema that the daemon gives it."""
    value = json.loads(block.text)
    schema = schema_of(block.heading, world.daemon.get("/openapi.json"))
    if schema:
        jsonschema.Draft202012Validator(schema).validate(value)
    elif "jobs" in value:
        status, said = world.validate(value)
        assert status == 0, said


@pytest.mark.parametrize("block", of("yaml"))
def test_a_scrape_goes_to_the_daemon(world, block):
    """Prometheus asks each target for /metrics, unless the configuration says otherwise."""
    [job] = yaml.safe_load(block.text)["scrape_configs"]
    [[target]] = [static["targets"] for static in job["static_configs"]]
    assert f'listen, "{target}"' in (ROOT / "config/keys.def").read_text(encoding="utf-8")
    path = job.get("metrics_path", "/metrics")
    assert requests.get(world.daemon.url + path, timeout=60).text.startswith("# HELP trainyard_")


@pytest.mark.parametrize("block", of("ini"))
def test_configuration_of_a_page_is_valid(world, model, block):
    text = world.here(block.text)
    for folder in re.findall(r"= (/srv/models/\S+)", text):  # the user's own
        text = text.replace(folder, str(model))
    (world.dir / "page.conf").write_text(text, encoding="utf-8")
    status, said = world.run(f"trainyardd --config {world.dir}/page.conf --data-dir {world.dir} "
                             "--check")
    assert status == 0, said


def test_the_sample_of_the_configuration_is_valid(world):
    status, said = world.run("trainyardd --config config/trainyard.conf.sample "
                             f"--data-dir {world.dir} --check")
    assert status == 0, said


def test_paths_within_the_text_exist():
    """Each `room/file` of a page is there."""
    rooms = {entry.name for entry in ROOT.iterdir() if entry.is_dir()} - {"build", "bench"}
    gone = []
    for page in pages():
        for path in re.findall(r"`([\w.*/-]+)`", (ROOT / page).read_text(encoding="utf-8")):
            room, slash, _ = path.partition("/")
            if slash and room in rooms and not any(
                    any(ROOT.glob(pattern)) for pattern in (path.rstrip("/"), path + ".*")):
                gone.append(f"{page}: {path}")
    assert not gone


def test_commands_within_the_text_exist(world):
    """Each `trainyard COMMAND --option` of a page is one that the program knows."""
    helps, wrong = {}, []
    for page, line, text in inline_commands():
        program, *words = re.sub(r"\[[^]]*\]", "", text).split()
        command = words[0] if program == "trainyard" and words and words[0].isalpha() else ""
        if (program, command) not in helps:
            helps[program, command] = world.run(f"{program} {command} --help")
        status, said = helps[program, command]
        options = [w.split("=")[0] for w in words if w.startswith("--")]
        if status or [o for o in options if o not in said]:
            wrong.append(f"{page}:{line}: {text}")
    assert not wrong, "\n".join(wrong)
