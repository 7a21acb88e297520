# SPDX-License-Identifier: MIT
"""quickstart_result.py JOBS.json RUN STATE SECONDS: the predictions for people, then one JSON line.

JOBS.json is the answer of GET /v1/jobs?run=RUN.
"""
import json
import sys

path, run, state, seconds = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    jobs = {job["name"]: job for job in json.load(file)["items"]}
accuracy = jobs["evaluate"].get("outputs", {}).get("eval_accuracy")
predictions = jobs["ask"].get("outputs", {}).get("predictions")

if accuracy is not None:
    print(f"accuracy on held-out reviews: {accuracy:.4f}")
for prediction in predictions or []:
    best = prediction[0] if isinstance(prediction, list) else prediction
    print(f"{best['label']:>10} {best['score']:.4f}")
print(json.dumps({"run": run, "state": state, "accuracy": accuracy, "predictions": predictions,
                  "seconds": int(seconds)}))
