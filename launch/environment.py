"""What the launch scripts set before jax starts, and how they end.

XLA_FLAGS                  one host device per core, for the CPU platform
GLIBC_TUNABLES             huge pages in malloc, where Linux leaves the choice to the process
JAX_COMPILATION_CACHE_DIR  compiled programs outlive the process
JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS  small ones too, of which a start on a CPU has many
TF_CPP_MIN_LOG_LEVEL       no chatter of the runtime

What is set already is left alone, tunable by tunable and flag by flag.
"""

import os
import pathlib
import platform
import re
import sys
from collections.abc import Callable

from absl import app, flags, logging

from launch import free_overrides

HUGE_PAGES = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
TUNABLE = "glibc.malloc.hugetlb"


def prepare() -> None:
    """Sets all of the above; a launch script begins anew for what glibc reads at its start."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # A power of two, so that the usual batch sizes divide; more than eight gain nothing.
    devices = 1 << (min(cores or 1, 8).bit_length() - 1)
    xla_flags = os.environ.get("XLA_FLAGS", "")
    if "xla_force_host_platform_device_count" not in xla_flags:
        # Only the CPU platform reads it; one device does not use a second core while decoding.
        os.environ["XLA_FLAGS"] = f"{xla_flags} --xla_force_host_platform_device_count={devices}"
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache / "reasoning_jax" / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tunables = with_huge_pages(os.environ.get("GLIBC_TUNABLES", ""))
    if tunables is not None and _is_launch_script():
        os.environ["GLIBC_TUNABLES"] = tunables
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def with_huge_pages(tunables: str) -> str | None:
    """GLIBC_TUNABLES with huge pages in malloc; None where they are decided or cannot be had.

    An update on a CPU allocates and frees its activations anew each time: without them a fifth
    of it goes into page faults.
    """
    if TUNABLE in tunables or platform.libc_ver()[0] != "glibc":
        return None
    # Under `always` they come by themselves; under `never` they do not come at all.
    if not HUGE_PAGES.exists() or "[madvise]" not in HUGE_PAGES.read_text():
        return None
    return ":".join(part for part in (tunables, f"{TUNABLE}=1") if part)


def _is_launch_script() -> bool:
    """Whether this process is `python -m launch.NAME`, rather than something that imports it."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec is not None and spec.name.startswith("launch.")


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
