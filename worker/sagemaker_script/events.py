# SPDX-License-Identifier: MIT
"""Writes event lines for the daemon into the log: lines of wire/event.h with a prefix."""
import json
import logging
import os

PREFIX = "trainyard-event "
logger = logging.getLogger("events")


def say(kind, **what):
    print(PREFIX + json.dumps({"v": 1, "t": kind, **what}), flush=True)


def warn(code, message):
    """Write a warning of the job, as `report_warning` does here; only the first process writes."""
    if int(os.environ.get("RANK", "0")) == 0:
        logger.warning(message)
        say("warning", code=code, message=message)
