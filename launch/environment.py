"""What the launch scripts set before jax starts, and how they end.

Variables that are set already are left alone.
"""

import os
import pathlib
import re
import sys
from collections.abc import Callable

from absl import app, flags, logging

from launch import free_overrides


def prepare() -> None:
    """Host devices for the cores, a persistent compilation cache, quiet logs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # A power of two, so that the usual batch sizes divide; more than eight gain nothing.
    devices = 1 << (min(cores or 1, 8).bit_length() - 1)
    xla_flags = os.environ.get("XLA_FLAGS", "")
    if "xla_force_host_platform_device_count" not in xla_flags:
        # Only the CPU platform reads it; one device does not use a second core while decoding.
        os.environ["XLA_FLAGS"] = f"{xla_flags} --xla_force_host_platform_device_count={devices}"
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache / "reasoning_jax" / "jax"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def run(main: Callable[[list[str]], None]) -> None:
    """Runs an absl main; an error of the user's making is one line and a non-zero exit."""

    def guarded(argv: list[str]) -> None:
        from reasoning_jax.stages.stage import Interrupted

        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        try:
            main(argv)
        except Interrupted as stop:
            print(f"{stop}; the same command goes on from there", file=sys.stderr)
            sys.exit(130)
        except (ValueError, OSError, RuntimeError) as error:
            _fail(error)

    app.run(guarded, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    """Flags and config overrides; what is wrong with them in one line."""
    argv, free = free_overrides.split(argv)
    sys.argv = argv  # ml_collections looks for overrides there
    try:
        rest = flags.FLAGS(argv)
        if "config" in flags.FLAGS and flags.FLAGS["config"].present:
            free_overrides.apply(flags.FLAGS.config, argv, free)
        elif free:
            raise ValueError(f"{free[0]} needs --config")
        return rest
    except SyntaxError as error:
        _fail(f"{error.filename}, line {error.lineno}: {error.msg}")
    except AttributeError as error:
        key = str(error).strip("\"'")
        given = [arg.split("=")[0] for arg in argv if arg.split("=")[0].endswith(f".{key}")]
        _fail(f"{given[0] if given else key}: the config has no key {key!r}")
    except (flags.Error, ValueError, TypeError, OSError) as error:
        # A config file that raises arrives as the text of a traceback: its last line says what.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = [line for line in lines if re.match(r"\w+(Error|Exception): ", line)]
        _fail(told[-1] if told else _unavailable(error))


def _unavailable(error: Exception) -> str:
    """Says of a config file that is not there just that."""
    text = str(error)
    if text.startswith("Configuration is not available"):
        return "the config file cannot be loaded: " + text.splitlines()[-1].strip()
    return text


def _fail(error: Exception | str) -> None:
    """Ends with the error's message; with its traceback if asked for."""
    if os.environ.get("REASONING_JAX_TRACEBACK"):
        raise
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    print("(REASONING_JAX_TRACEBACK=1 shows where)", file=sys.stderr)
    sys.exit(1)


prepare()
