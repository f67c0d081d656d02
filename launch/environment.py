"""What the launch scripts set before jax starts, and how they end.

Variables that are set already are left alone.
"""

import os
import pathlib
import sys
from collections.abc import Callable

from absl import app, flags


def prepare() -> None:
    """One host device per core, a persistent compilation cache, quiet logs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    xla_flags = os.environ.get("XLA_FLAGS", "")
    if "xla_force_host_platform_device_count" not in xla_flags:
        # Only the CPU platform reads it; one device does not use a second core while decoding.
        os.environ["XLA_FLAGS"] = f"{xla_flags} --xla_force_host_platform_device_count={cores}"
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache / "reasoning_jax" / "jax"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def run(main: Callable[[list[str]], None]) -> None:
    """Runs an absl main; an error of the user's making is one line and a non-zero exit."""

    def guarded(argv: list[str]) -> None:
        from reasoning_jax.stages.stage import Interrupted

        try:
            main(argv)
        except Interrupted as stop:
            print(f"{stop}; the same command goes on from there", file=sys.stderr)
            sys.exit(130)
        except (ValueError, FileNotFoundError, RuntimeError) as error:
            if os.environ.get("REASONING_JAX_TRACEBACK"):
                raise
            print(f"error: {error}", file=sys.stderr)
            print("(REASONING_JAX_TRACEBACK=1 shows where)", file=sys.stderr)
            sys.exit(1)

    try:
        app.run(guarded)
    except flags.Error as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


prepare()
