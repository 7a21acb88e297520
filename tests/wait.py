# SPDX-License-Identifier: MIT
"""The only way to wait in a test: for a condition, with a deadline, never for a fixed time."""
import time

DEADLINE_S = 120
PAUSE_S = 0.02


def wait_for(what, check, deadline_s=DEADLINE_S):
    """The first true value of check(); fails with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(PAUSE_S)
    raise AssertionError(f"waited {deadline_s} s for {what}")
