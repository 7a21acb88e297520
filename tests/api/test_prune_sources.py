# SPDX-License-Identifier: MIT
"""Frozen copies of source directories (sources/HASH) go with the last run that needs them."""
import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from client import check, closed, problem
from trainyardd import BUILD, wait_for


def other_source(yard, tmp_path, text="print('other')\n"):
    folder = tmp_path / "other"
    folder.mkdir(exist_ok=True)
    (folder / "make.py").write_text(text)
    return str(folder)


def allocated(folder):
    return sum(path.lstat().st_blocks * 512 for path in [folder, *folder.rglob("*")])


def removals(yard):
    return yard.sql("SELECT count(*) FROM source_removals")[0][0]


def wait_gone(yard, *names):
    wait_for("the copies to go", lambda: not yard.sources() & set(names) and not removals(yard))
    trash = yard.daemon.data / "executions/.trash"
    wait_for("an empty trash", lambda: not list(trash.iterdir()))


def test_the_last_run_takes_its_source_along(yard, tmp_path):
    """Before: sources/HASH was never removed."""
    daemon = yard.daemon
    one, two = yard.run(name="one")["id"], yard.run(name="two")["id"]
    three = yard.run(yard.job(source_dir=other_source(yard, tmp_path)), name="three")["id"]
    shared, own = yard.source_of(one), yard.source_of(three)
    assert yard.source_of(two) == shared != own and yard.sources() == {shared, own}
    size = allocated(daemon.data / "sources" / shared)
    # one of two: the other might be retried
    dry = yard.delete(one, dry_run="true").json()
    done = yard.delete(one).json()
    assert dry["sources"] == done["sources"] == []
    yard.wait_removed(one)
    assert yard.sources() == {shared, own}
    # a dry run counts it and changes nothing
    dry = yard.delete(two, dry_run="true").json()
    files = len([path for path in (daemon.data / "sources" / shared).rglob("*") if path.is_file()])
    assert dry["sources"] == [{"source": shared, "bytes": size, "files": files}]
    assert dry["bytes"] == dry["removed"][0]["bytes"] + size
    assert yard.sources() == {shared, own} and removals(yard) == 0
    before = daemon.get("/v1/disk-usage")["kinds"]["sources"]
    done = yard.delete(two)
    check(closed(daemon.get("/openapi.json")), "Pruned", done.json())
    assert done.json()["sources"] == dry["sources"] and done.json()["bytes"] == dry["bytes"]
    wait_gone(yard, shared)
    assert yard.sources() == {own}
    yard.wait_removed(two)
    assert daemon.get("/v1/disk-usage")["kinds"]["sources"] <= before - size
    log = (daemon.dir / "daemon.log").read_text()
    assert re.search(rf"event=sources_removed count=1 bytes={size}", log)
    # the clone freezes it again
    again = yard.run(*daemon.get(f"/v1/runs/{two}/spec")["jobs"])["id"]
    assert yard.source_of(again) == shared in yard.sources()


def test_a_queued_job_keeps_its_source(yard, tmp_path):
    daemon = yard.daemon
    source = other_source(yard, tmp_path)
    ended = yard.run(yard.job(source_dir=source))["id"]
    held = yard.run(yard.job(source_dir=source, held=True), ends=False)
    name = yard.source_of(ended)
    assert yard.delete(ended).json()["sources"] == []
    assert yard.prune(keep=0)["sources"] == []
    assert name in yard.sources()
    daemon.post(f"/v1/runs/{held['id']}/release")
    assert daemon.wait_end(held["jobs"][0]["id"])["state"] == "succeeded"
    assert [item["source"] for item in yard.prune(keep=0)["sources"]] == [name]
    wait_gone(yard, name)


def test_a_failed_run_keeps_its_source_for_a_retry(yard, tmp_path):
    daemon = yard.daemon
    run = daemon.post("/v1/runs", {"name": "run", "jobs": [yard.job(
        source_dir=other_source(yard, tmp_path, "import os; os.remove('once')\n"))]}).json()
    job = run["jobs"][0]["id"]
    assert daemon.wait_end(job)["state"] == "failed"
    assert yard.prune(older="1h", keep=0)["sources"] == []
    assert daemon.post(f"/v1/jobs/{job}/retry").status_code == 200
    assert daemon.wait_end(job)["attempt"] == 2
    name = yard.source_of(run["id"])
    assert [item["source"] for item in yard.delete(run["id"]).json()["sources"]] == [name]
    wait_gone(yard, name)


def test_a_path_into_a_source_keeps_it(yard, tmp_path):
    """A channel of a queued job; a live endpoint's earlier model; an added model."""
    daemon = yard.daemon
    source = other_source(yard, tmp_path)
    ended = yard.run(yard.job(source_dir=source))["id"]
    name = yard.source_of(ended)
    held = yard.run(yard.tell(str(daemon.data / "sources" / name), held=True), ends=False)["id"]
    assert yard.delete(ended).json()["sources"] == []
    daemon.stop()
    path = str(daemon.data / "sources" / name / "model")
    with sqlite3.connect(daemon.data / "trainyard.db") as db:
        db.execute("INSERT INTO models (name, source, created_us) VALUES ('mine', ?, 1)",
                   (json.dumps({"path": path}),))
    daemon.start()
    daemon.post(f"/v1/runs/{held}/cancel")
    assert name not in [item["source"] for item in yard.delete(held).json()["sources"]]
    assert daemon.ask("DELETE", "/v1/models/mine").status_code == 204
    assert name in [item["source"] for item in yard.prune(keep=0)["sources"]]
    wait_gone(yard, name)


def test_a_copy_that_nobody_used_goes(yard, tmp_path):
    """Of a refused submit, of a prune before this version; and half a copy of a killed daemon."""
    daemon = yard.daemon
    refused = daemon.post("/v1/runs", {"jobs": [
        yard.job(source_dir=other_source(yard, tmp_path)),
        yard.job("bad", source_dir=str(tmp_path / "absent"))]})
    assert refused.status_code == 422
    [name] = yard.sources()
    folder = daemon.data / "sources"
    (folder / "mine").mkdir()  # not ours: stays
    daemon.stop()
    half = f"{'0' * 64}.s1m84nmenk5xr9a7j4s8"
    (folder / half).mkdir()
    (folder / half / "train.py").write_text("x")
    daemon.start()
    wait_for("the half copy to go", lambda: half not in yard.sources())
    assert yard.cli("prune", "--dry-run").endswith(
        "This would remove 8.0 KiB of 0 runs and 1 unused copy of source directories.\n")
    assert "There is no run to remove." in yard.cli("prune")
    wait_gone(yard, name)
    assert yard.sources() == {"mine"}
    assert yard.cli("prune") == "There is nothing to remove.\n"


def test_the_retention_removes_copies(yard, tmp_path):
    daemon = yard.daemon
    old = yard.run(yard.job(source_dir=other_source(yard, tmp_path)))["id"]
    new = yard.run()["id"]
    gone, stays = yard.source_of(old), yard.source_of(new)
    daemon.stop()
    unused = "a" * 64
    (daemon.data / "sources" / unused).mkdir()
    daemon.environment |= {"TRAINYARD_RETENTION_KEEP": "1"}
    daemon.start()
    wait_gone(yard, gone, unused)
    assert yard.sources() == {stays}


def test_a_request_removes_256_copies(yard):
    folder = yard.daemon.data / "sources"
    yard.daemon.stop()
    for i in range(257):
        (folder / f"{i:064x}").mkdir(parents=True)
    yard.daemon.start()
    done = yard.prune()
    assert (len(done["sources"]), done["truncated"], "next_cursor" in done) == (256, True, False)
    done = yard.prune()
    assert (len(done["sources"]), done["truncated"]) == (1, False)
    wait_for("the copies to go", lambda: not yard.sources())


def test_a_submit_after_a_delete_has_its_source(yard):
    """Each submit is taken, and each job finds its code, whatever a prune does meanwhile."""
    daemon = yard.daemon
    last = yard.run()["id"]
    with ThreadPoolExecutor(3) as pool:
        for _ in range(8):
            delete = pool.submit(yard.delete, last)
            submits = [pool.submit(daemon.post, "/v1/runs", {"jobs": [yard.job()]})
                       for _ in range(2)]
            assert delete.result().status_code == 200
            for submit in submits:
                assert submit.result().status_code == 201, submit.result().text
                run = submit.result().json()
                assert daemon.wait_end(run["jobs"][0]["id"])["state"] == "succeeded"
            pruned = yard.delete(run["id"])
            assert pruned.status_code == 200
            last = submits[0].result().json()["id"]
    assert removals(yard) == 0


def test_a_source_that_vanishes_again_and_again_is_said(yard, tmp_path):
    """The folder of the copies cannot be written: the submit is refused, nothing is stored."""
    daemon = yard.daemon
    yard.run()
    folder = daemon.data / "sources"
    folder.rename(tmp_path / "away")
    folder.write_text("in the way")
    try:
        refused = daemon.post("/v1/runs", {"jobs": [yard.job()]})
        assert refused.status_code == 422
        assert "source_dir" in problem(refused, 422, "invalid_spec")["errors"][0]["detail"]
    finally:
        folder.unlink()
    assert yard.run()


@pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                    reason="this build has no native engine")
def test_the_model_that_an_endpoint_goes_back_to_keeps_its_source(yard, tiny_model, tmp_path):
    """A model that was submitted as a part of a source_dir and is named by its path there."""
    import shutil
    daemon = yard.daemon
    source = tmp_path / "with-model"
    shutil.copytree(tiny_model, source / "model")
    (source / "make.py").write_text("print('made')\n")
    made = yard.run(yard.job(source_dir=str(source)))["id"]
    name = yard.source_of(made)
    model = str(daemon.data / "sources" / name / "model")
    served = yard.run({"name": "deploy", "kind": "deploy", "model": model,
                       "endpoint": "held"})["id"]
    assert yard.delete(made).json()["sources"] == []
    problem(yard.delete(served), 409, "conflict")
    assert yard.prune(keep=0)["sources"] == []
    daemon.ask("DELETE", "/v1/endpoints/held")
    wait_for("its end", lambda: daemon.get("/v1/endpoints/held")["state"] == "deleted")
    assert [item["source"] for item in yard.delete(served).json()["sources"]] == [name]
    wait_gone(yard, name)
