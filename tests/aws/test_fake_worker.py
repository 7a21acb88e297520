# SPDX-License-Identifier: MIT
"""The fake of AWS with --worker: training jobs and endpoints that really run."""
import io
import json
import pathlib
import shutil
import signal
import tarfile

import pytest

from fake_aws import ROLE, FakeAws
from fake_jobs import BUCKET, LOGS, SERVING, ask, endpoint, job, variant
from wait import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "worker/sagemaker_script"
DEADLINE_S = 240
SCRIPT = """
import argparse, json, os, signal, sys, time
p = argparse.ArgumentParser()
p.add_argument("--epochs", type=int)
p.add_argument("--name")
a = p.parse_args()
rows = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.txt")).read()
print({"loss": 0.25, "epochs": a.epochs}, flush=True)
if a.name == "fail":
    raise ValueError("as ordered")
if a.name == "long":
    print("waiting", flush=True)
    time.sleep(600)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "m.json"), "w") as f:
    json.dump([a.name, rows, os.environ["SM_HP_EPOCHS"], os.environ["COLOUR"]], f)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "notes.txt"), "w") as f:
    f.write("done")
"""


@pytest.fixture
def fake(tmp_path, build):
    if not (build / "worker/trainyard-worker").exists():
        pytest.skip(f"{build} has no worker")
    with FakeAws(tmp_path / "state", "--worker", build, tick=0.1) as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        yield server


def upload(fake, folder, prefix):
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            fake.client("s3").upload_file(str(path), BUCKET, f"{prefix}/{path.relative_to(folder)}")
    return f"s3://{BUCKET}/{prefix}/"


def source(fake, files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    fake.client("s3").put_object(Bucket=BUCKET, Key="src/sourcedir.tar.gz", Body=buffer.getvalue())
    return f"s3://{BUCKET}/src/sourcedir.tar.gz"


def channels(**uris):
    return [{"ChannelName": name, "DataSource": {"S3DataSource": {
        "S3DataType": "S3Prefix", "S3Uri": uri}}} for name, uri in uris.items()]


def values(uri, **more):
    return {k: json.dumps(v) for k, v in {"sagemaker_program": "train.py",
                                          "sagemaker_submit_directory": uri, **more}.items()}


def until(what):
    return wait_for("the fake's worker", what, DEADLINE_S)


def ended(sm, name="one"):
    def look():
        d = sm.describe_training_job(TrainingJobName=name)
        return d if d["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None
    return until(look)


def archive(fake, uri):
    key = uri.removeprefix(f"s3://{BUCKET}/")
    data = fake.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


def start_script(fake, name, **more):
    s3, sm = fake.client("s3"), fake.client("sagemaker")
    s3.put_object(Bucket=BUCKET, Key="rows/rows.txt", Body=b"some rows")
    sm.create_training_job(**job(
        InputDataConfig=channels(train=f"s3://{BUCKET}/rows"), Environment={"COLOUR": "green"},
        HyperParameters=values(source(fake, {"train.py": SCRIPT}), epochs=3, name=name), **more))
    return sm


def lines(fake):
    logs = fake.client("logs")
    try:
        [stream] = logs.describe_log_streams(logGroupName=LOGS)["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [e["message"] for e in logs.get_log_events(
        logGroupName=LOGS, logStreamName=stream["logStreamName"], startFromHead=True)["events"]]


def test_a_script_runs(fake):
    sm = start_script(fake, "mine")
    d = ended(sm)
    assert d["TrainingJobStatus"] == "Completed", d.get("FailureReason")
    assert json.loads(archive(fake, d["ModelArtifacts"]["S3ModelArtifacts"])["m.json"]) == [
        "mine", "some rows", "3", "green"]
    assert archive(fake, f"s3://{BUCKET}/out/one/output/output.tar.gz") == {"notes.txt": b"done"}
    assert d["FinalMetricDataList"][0]["Value"] == 0.25
    assert until(lambda: [x for x in lines(fake) if "SUCCESS" in x])
    assert any("'epochs': 3" in line for line in lines(fake))


def test_a_script_fails(fake):
    d = ended(start_script(fake, "fail"))
    assert d["TrainingJobStatus"] == "Failed"
    assert d["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError")
    assert "ValueError: as ordered" in d["FailureReason"]


def test_a_script_is_stopped(fake):
    sm = start_script(fake, "long")
    until(lambda: "waiting" in lines(fake))
    assert sm.describe_training_job(TrainingJobName="one")["SecondaryStatus"] == "Training"
    sm.stop_training_job(TrainingJobName="one")
    assert ended(sm)["TrainingJobStatus"] == "Stopped"


def test_a_script_beyond_its_time(fake):
    sm = start_script(fake, "long", StoppingCondition={"MaxRuntimeInSeconds": 1})
    d = ended(sm)
    assert (d["TrainingJobStatus"], d["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_killed_fake_begins_again(fake):
    sm = start_script(fake, "long")
    until(lambda: "waiting" in lines(fake))
    before = script_of(fake)
    fake.stop(signal.SIGKILL)
    assert alive(before)
    fake.start()
    until(lambda: not alive(before))
    until(lambda: script_of(fake) not in (None, before))
    sm = fake.client("sagemaker")
    sm.stop_training_job(TrainingJobName="one")
    assert ended(sm)["TrainingJobStatus"] == "Stopped"
    until(lambda: not script_of(fake))


def alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def script_of(fake):
    """The process of the one script that runs, far below its worker."""
    mark = f"{fake.state}/work/".encode()
    for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
            if b"train.py" in words and mark in (file.parent / "environ").read_bytes():
                return int(file.parent.name)
        except OSError:
            pass
    return None


@pytest.fixture
def small(tmp_path):
    """A small BERT and data sets of real reviews: (model, train, test)."""
    torch = pytest.importorskip("torch")
    import datasets
    import transformers
    from texts import minilm, reviews
    model = tmp_path / "model"
    model.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(minilm() / name, model)
    torch.manual_seed(5)
    transformers.BertForSequenceClassification(transformers.BertConfig(
        hidden_size=32, intermediate_size=64, num_attention_heads=2, num_hidden_layers=1,
        vocab_size=30522, max_position_embeddings=64)).bert.save_pretrained(model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    features = datasets.Features({
        "text": datasets.Value("string"), "labels": datasets.ClassLabel(names=["bad", "good"]),
        "input_ids": datasets.Sequence(datasets.Value("int32")),
        "attention_mask": datasets.Sequence(datasets.Value("int8"))})
    for name, rows in (("train", reviews()[:64]), ("test", reviews()[64:96])):
        texts = [t for t, _ in rows]
        tokens = tokenizer(texts, truncation=True, max_length=48)
        datasets.Dataset.from_dict({
            "text": texts, "labels": [int(s == "positive") for _, s in rows],
            "input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]},
            features=features).save_to_disk(str(tmp_path / name))
    return model, tmp_path / "train", tmp_path / "test"


def test_our_own_script_trains_and_serves(fake, small, build):
    if not (build / "worker/trainyard-native").exists() or not list(CONTAINER.glob("*.py")):
        pytest.skip("built without the native engine")
    sm = fake.client("sagemaker")
    uris = {name: upload(fake, folder, name)
            for name, folder in zip(("model", "train", "test"), small)}
    files = {p.name: p.read_text() for p in CONTAINER.glob("*.py")}
    fake.scenario(kind="training", interrupt=1)
    sm.create_training_job(**job(
        InputDataConfig=channels(**uris), EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/checkpoints"},
        StoppingCondition={"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600},
        HyperParameters=values(source(fake, files), epochs=2, train_batch_size=16,
                               warmup_steps=2, learning_rate=1e-3, bf16="off")))
    d = ended(sm)
    assert d["TrainingJobStatus"] == "Completed", d.get("FailureReason")
    assert "Interrupted" in [t["Status"] for t in d["SecondaryStatusTransitions"]]
    kept = fake.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="checkpoints/checkpoint-")
    assert any(o["Key"].endswith("/manifest.json") for o in kept["Contents"])
    uri = d["ModelArtifacts"]["S3ModelArtifacts"]
    model = archive(fake, uri)
    assert {"config.json", "model.safetensors", "parity.json", "tokenizer.json"} <= set(model)
    assert "metrics.json" in archive(fake, uri.replace("model.tar.gz", "output.tar.gz"))
    assert "loss" in [m["MetricName"] for m in d["FinalMetricDataList"]]
    sm.create_model(ModelName="m", ExecutionRoleArn=ROLE,
                    PrimaryContainer={"Image": SERVING, "ModelDataUrl": uri})
    sm.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant("m")])
    sm.create_endpoint(EndpointName="e", EndpointConfigName="c")
    until(lambda: endpoint(sm) == "InService")
    samples = json.loads(model["parity.json"])["samples"]
    answers = ask(fake, {"inputs": [s["text"] for s in samples]})
    for s, a in zip(samples, answers):
        assert a["label"] == s["label"] and abs(a["score"] - s["score"]) < 1e-4
    sm.delete_endpoint(EndpointName="e")
    until(lambda: not fake.resources("endpoint"))


def test_a_broken_model_does_not_come_into_service(fake):
    sm = fake.client("sagemaker")
    fake.client("s3").put_object(Bucket=BUCKET, Key="m/config.json", Body=b"{}")
    data = {"S3Uri": f"s3://{BUCKET}/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    sm.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={
        "Image": SERVING, "ModelDataSource": {"S3DataSource": data}})
    sm.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant("m")])
    sm.create_endpoint(EndpointName="e", EndpointConfigName="c")
    until(lambda: endpoint(sm) == "Failed")
    assert "ping health check" in sm.describe_endpoint(EndpointName="e")["FailureReason"]
