# SPDX-License-Identifier: MIT
"""Threads that run while a test does something else."""
import threading


class Background:
    """Runs each target on a thread of its own from the begin of a `with` block to its end. A target
    must return soon after `over` is set."""

    def __init__(self, *targets):
        self.over = threading.Event()
        self.threads = [threading.Thread(target=target) for target in targets]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
