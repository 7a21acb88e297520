# SPDX-License-Identifier: MIT
"""quickstart_result.py RUN.json JOBS.json SECONDS: the predictions for people, then one JSON line.

RUN.json and JOBS.json are the answers of GET /v1/runs/RUN and of GET /v1/jobs?run=RUN.
"""
import json
import sys


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


run, jobs = load(sys.argv[1]), {job["name"]: job for job in load(sys.argv[2])["items"]}
outputs = {name: job.get("outputs") or {} for name, job in jobs.items()}
accuracy = outputs["evaluate"].get("metrics", {}).get("eval_accuracy")
predictions = outputs["ask"].get("predictions")

if accuracy is not None:
    print(f"accuracy on held-out reviews: {accuracy:.4f}")
for prediction in predictions or []:
    best = prediction[0] if isinstance(prediction, list) else prediction
    print(f"{best['label']:>10} {best['score']:.4f}")
print(json.dumps({"run": run["id"], "state": run["state"], "accuracy": accuracy,
                  "predictions": predictions, "seconds": int(sys.argv[3])}))
