"""Reading and writing models: Hugging Face folders and orbax checkpoints, to the last byte."""

import pathlib
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import jax

from reasoning_jax.bench.child import Done
from reasoning_jax.models import load_hf, load_orbax, save_hf, save_orbax
from reasoning_jax.parallel import make_mesh


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """``work`` has ``folder``, a model, and ``task``, one of `TASKS`; see `bench.child`.

    Tokens of a run are bytes of parameters.
    """
    folder, mesh = pathlib.Path(work["folder"]), make_mesh()
    config, params = load_hf(folder, mesh, None)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    # What is written goes beside the model: the temporary folder may lie in memory.
    scratch = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
    run = TASKS[work["task"]](folder, scratch, config, params, mesh)

    def counted() -> Done:
        run()
        return Done(size)

    def release() -> None:
        shutil.rmtree(scratch, ignore_errors=True)

    _RELEASES.append(release)
    return counted, {"versions": {"jax": jax.__version__}, "device": str(jax.devices()[0])}


_RELEASES: list[Callable[[], None]] = []


def release() -> None:
    """Removes what was written."""
    while _RELEASES:
        _RELEASES.pop()()


def _read_raw(folder, scratch, config, params, mesh) -> Callable[[], None]:
    """The bytes alone, as the files hold them."""

    def run() -> None:
        for path in sorted(folder.glob("*.safetensors")):
            path.read_bytes()

    return run


def _read_hf(folder, scratch, config, params, mesh) -> Callable[[], None]:
    return lambda: jax.block_until_ready(load_hf(folder, mesh, None)[1])


def _write_hf(folder, scratch, config, params, mesh) -> Callable[[], None]:
    return lambda: save_hf(scratch / "hf", config, params)


def _read_orbax(folder, scratch, config, params, mesh) -> Callable[[], None]:
    save_orbax(scratch / "orbax", config, params)
    return lambda: jax.block_until_ready(load_orbax(scratch / "orbax", mesh, None)[1])


def _write_orbax(folder, scratch, config, params, mesh) -> Callable[[], None]:
    def run() -> None:
        shutil.rmtree(scratch / "orbax", ignore_errors=True)
        save_orbax(scratch / "orbax", config, params)

    return run


TASKS = {
    "raw read": _read_raw,
    "read hf": _read_hf,
    "write hf": _write_hf,
    "read orbax": _read_orbax,
    "write orbax": _write_orbax,
}
