# SPDX-License-Identifier: MIT
"""Lines of the log that are for the daemon: wire/event.h behind a prefix."""
import json
import logging
import os

PREFIX = "trainyard-event "
logger = logging.getLogger("events")


def say(kind, **what):
    print(PREFIX + json.dumps({"v": 1, "t": kind, **what}), flush=True)


def warn(code, message):
    """A warning of the job, as `report_warning` makes one here; of several processes the first."""
    if int(os.environ.get("RANK", "0")) == 0:
        logger.warning(message)
        say("warning", code=code, message=message)
