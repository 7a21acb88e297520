# SPDX-License-Identifier: MIT
"""Prunes of runs on SageMaker: what costs holds them, and the ledger stays."""
from sagemaker_rig import words
from trainyardd import wait_for


def delete(cloud, run, **params):
    return cloud.daemon.ask("DELETE", f"/v1/runs/{run}", params=params)


def test_a_run_whose_training_costs_is_held_and_its_ledger_stays(cloud):
    cloud.start()
    cloud.fake.scenario(kind="training", hold="Training")
    run = cloud.run(cloud.train())
    cloud.training(run, "Training")
    answer = delete(cloud, run)
    assert answer.status_code == 409 and "the run is running; cancel it" in answer.text
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    job = cloud.ended(run)
    assert job["state"] == "cancelled", words(job)
    cloud.nothing_is_left()
    wait_for("it to be settled", lambda: not cloud.daemon.get("/v1/costs")["open"])
    spent = cloud.daemon.get("/v1/costs")
    assert spent["jobs"] and spent["days"]
    answer = delete(cloud, run, rows="true")
    assert answer.status_code == 200, answer.text
    [removed] = answer.json()["removed"]
    assert removed["rows"] is False  # the ledger names its job
    assert cloud.daemon.get("/v1/costs") == spent
    assert cloud.daemon.get(f"/v1/runs/{run}")["state"] == "cancelled"


def test_an_endpoint_there_holds_its_run(cloud):
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model()))
    assert cloud.ended(run, "deploy")["state"] == "succeeded"
    answer = delete(cloud, run)
    assert answer.status_code == 409 and "endpoint imdb is in_service" in answer.text
    cloud.daemon.ask("DELETE", "/v1/endpoints/imdb")
    wait_for("its end", lambda: cloud.endpoint()["state"] == "deleted")
    wait_for("the run to be free", lambda: delete(cloud, run).status_code == 200)
    cloud.nothing_is_left()
