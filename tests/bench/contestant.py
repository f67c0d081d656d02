"""A contestant for tests: doubles numbers, can fail, can lack a package, prints what it likes."""

import os
import time

from reasoning_jax.bench.child import Done, Unavailable


def prepare(work):
    print("libraries print")
    if work["kind"] == "missing":
        raise Unavailable("pip install what-is-missing")
    if work["kind"] == "refuses":
        raise ValueError("no such work")

    runs = []

    def run():
        runs.append(1)
        if work["kind"] == "dies":
            print("last words", flush=True)
            os._exit(3)
        time.sleep(work.get("sleep", 0))
        return Done(
            2 * work["tokens"],
            check=0.5 * len(runs),
            extra={"variable": float(os.environ["NUMBER"])},
        )

    return run, {"device": "paper", "versions": {}}
