# SPDX-License-Identifier: MIT
"""What a training job leaves behind when nothing really runs: log lines in the words of Trainer,
the metrics that its definitions find in them, and a small model with a parity sample."""
import hashlib
import io
import json
import re
import tarfile

import checks

LABELS = ["negative", "positive"]
SAMPLES = ["I love using the new Inference DLC.", "Terrible. Just terrible!", "",
           "A slow first hour, then it flies.", "\U0001f642 fun"]
TOOLKIT = "sagemaker-training-toolkit"
HEAD = ["bash: cannot set terminal process group (-1): Inappropriate ioctl for device",
        f"{TOOLKIT} INFO     Imported framework sagemaker_pytorch_container.training",
        f"{TOOLKIT} INFO     Invoking user script"]
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DEFAULT_TAIL_BEATS = 1


def hyperparameter(request, name, default=None):
    """A hyperparameter's value; the SDK writes them as JSON, other clients as plain text."""
    text = request.get("HyperParameters", {}).get(name)
    if text is None:
        return default
    try:
        return json.loads(text)
    except ValueError:
        return text


def chance(*words):
    """A number in [0, 1) that is always the same for the same words."""
    digest = hashlib.sha256("\0".join(str(w) for w in words).encode()).digest()
    return int.from_bytes(digest[:6], "big") / (1 << 48)


def say(app, job, lines, due):
    """Log lines of the job, seen from beat `due` on, one stream for each instance; metrics are
    read off them, unless the scenario has the final ones."""
    definitions = job["request"]["AlgorithmSpecification"].get("MetricDefinitions", [])
    if "metrics" in app.machines.scenario("training", job):
        definitions = []
    at = app.state.now()
    for line in lines:
        for n in range(1, sum(job["instances"].values()) + 1):
            app.logs.write(LOG_GROUP, f"{job['name']}/algo-{n}-{int(job['created'])}", line,
                           due=due, of=["training", f"{job['region']}/{job['name']}"],
                           region=job["region"])
        for d in definitions:
            try:
                found = re.findall(d["Regex"], line)
                if found:
                    value = found[-1] if isinstance(found[-1], str) else found[-1][0]
                    job["metrics"][d["Name"]] = [float(value), at]
            except (re.error, ValueError):
                pass


def first_words(app, job, scenario):
    epochs = max(1, min(20, int(float(hyperparameter(job["request"], "epochs", 1) or 1))))
    lines = HEAD[:]
    for epoch in range(1, epochs + 1):
        loss = 0.7 * 0.6 ** epoch + 0.02 * chance(app.state.seed, job["name"], epoch)
        lines += [f"{{'loss': '{loss:.4f}', 'grad_norm': '1.25', 'learning_rate': '5e-05', "
                  f"'epoch': '{epoch}'}}",
                  f"{{'eval_loss': '{loss * 1.1:.4f}', 'eval_accuracy': '{1 - loss / 2:.4f}', "
                  f"'eval_f1': '{1 - loss / 2:.4f}', 'epoch': '{epoch}'}}"]
    lines = scenario.get("lines", lines)
    middle = max(1, len(lines) // 2)
    job["more"] = lines[middle:]
    say(app, job, lines[:middle], job["beats"] + scenario.get("log_lag", 0))


def finish(app, job, scenario):
    say(app, job, job.pop("more", []), job["beats"] + scenario.get("log_lag", 0))
    for name, value in scenario.get("metrics", {}).items():
        job["metrics"][name] = [float(value), app.state.now()]


def last_words(app, job, status):
    """The tail: lines that come to the log only after the job has ended."""
    if not job.get("started"):
        return
    scenario = app.machines.scenario("training", job)
    due = job["beats"] + scenario.get("log_tail", DEFAULT_TAIL_BEATS)
    lines = job.pop("more", []) if status == "Failed" else []
    if status == "Completed":
        lines.append(f"{TOOLKIT} INFO     Reporting training SUCCESS")
    elif status == "Failed":
        lines += [f"{TOOLKIT} ERROR    Reporting training FAILURE",
                  *job.get("failure", "").splitlines()]
    say(app, job, lines, due)


def answer(text, pair, labels):
    """What the made-up model thinks: [(label, score)], best first."""
    weights = [0.05 + chance(label, text, pair or "") for label in labels]
    total = sum(weights)
    return sorted(((label, w / total) for label, w in zip(labels, weights)),
                  key=lambda a: -a[1])


def model_files(labels):
    samples = []
    for text in SAMPLES:
        label, score = answer(text, None, labels)[0]
        samples.append({"text": text, "label": label, "score": score})
    config = {"architectures": ["BertForSequenceClassification"], "model_type": "bert",
              "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "intermediate_size": 64, "vocab_size": 30522, "max_position_embeddings": 512,
              "id2label": {str(i): n for i, n in enumerate(labels)},
              "label2id": {n: i for i, n in enumerate(labels)}}
    parity = {"v": 1, "dtype": "float32", "max_length": 512, "samples": samples}
    return {"config.json": json.dumps(config, indent=2), "parity.json": json.dumps(parity)}


def tar_gz(files):
    """Deterministic bytes of an archive with `files` at its root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for name, text in files.items():
            data = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def output_uri(job, name):
    path = job["request"]["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    return f"{path}/{job['name']}/output/{name}"


def store(app, job, name, data):
    """Put a result where the job's output belongs; the reason if that cannot be done."""
    bucket, key = checks.bucket_key(output_uri(job, name))
    record = app.s3.bucket_record(bucket)
    if not record or record["region"] != job["region"]:
        return ("ClientError: Artifact upload failed:Error 4: Failed to upload. The bucket "
                f"'{bucket}' does not exist in region {job['region']}")
    if not checks.role_may(app.state, job["request"]["RoleArn"], "s3:PutObject",
                           f"arn:aws:s3:::{bucket}/{key}"):
        return ("ClientError: Artifact upload failed:Error 7: The credentials received have "
                f"insufficient privileges for {bucket}/{key}")
    app.s3.put_bytes(bucket, key, data)
    return None


def upload(app, job):
    labels = hyperparameter(job["request"], "labels", LABELS)
    labels = labels if isinstance(labels, list) and len(labels) > 1 else LABELS
    metrics = {k: v for k, (v, _) in job["metrics"].items()}
    problem = store(app, job, "model.tar.gz", tar_gz(model_files(labels))) or \
        store(app, job, "output.tar.gz", tar_gz({
            "metrics.json": json.dumps(metrics),
            "eval_results.txt": "".join(f"{k} = {v}\n" for k, v in metrics.items())}))
    if not problem:
        job["uploaded"] = output_uri(job, "model.tar.gz")
    return problem
