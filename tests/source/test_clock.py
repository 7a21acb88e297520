# SPDX-License-Identifier: MIT
"""Who waits for a while does not wait by the wall clock, which can be set meanwhile."""
import re

from tree import c_files, code, judge

WALL = re.compile(r"\b(CLOCK_REALTIME|pthread_cond_timedwait|sem_timedwait|gettimeofday)\b")


def test_no_wait_by_the_wall_clock():
    judge("wall-clock", [
        (path, f"{found.group()}: wait with cond_wait_us() or loop_after_us()")
        for path in c_files() if path.parts[0] != "tests" for found in WALL.finditer(code(path))])
