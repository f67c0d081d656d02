"""Rollouts in files: dumped as they are collected, read back in place of a sampler."""

import os
import pathlib
from collections.abc import Callable

import numpy as np

from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages.rl.collect import Collected
from reasoning_jax.stages.rl.sampled import Sampled
from reasoning_jax.types import Rollouts

Collect = Callable[[dict, np.ndarray, int], Collected]
_NOTHING = Sampled([], [], [], [], [], [], [])


def write_rollouts(path: pathlib.Path, rollouts: Rollouts) -> None:
    """Writes the fields that are there as arrays of an npz file, whole or not at all."""
    fields = {name: np.asarray(x) for name, x in vars(rollouts).items() if x is not None}
    unfinished = path.with_suffix(".tmp")
    with open(unfinished, "wb") as file:
        np.savez(file, **fields)
    os.replace(unfinished, path)


def read_rollouts(path: pathlib.Path) -> Rollouts:
    """NumPy Rollouts of a file.

    Raises:
      ValueError: the file is no such thing.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Rollouts(**{name: arrays[name] for name in arrays.files})
    except Exception as error:
        raise ValueError(f"{path} holds no rollouts ({type(error).__name__}: {error})") from error


def dumps(folder: str | os.PathLike) -> list[pathlib.Path]:
    """The files of a folder in the order of their steps."""
    return sorted(pathlib.Path(folder).glob("*.npz"))


def recorded(collect: Collect, folder: pathlib.Path, every: int) -> Collect:
    """``collect``, leaving the rollouts of every so many steps in ``folder``/<step>.npz."""

    def collected(params: dict, indices: np.ndarray, step: int) -> Collected:
        found = collect(params, indices, step)
        if step % every == 0 and is_main_process():
            folder.mkdir(parents=True, exist_ok=True)
            write_rollouts(folder / f"{step:06d}.npz", found.rollouts)
        return found

    return collected


def replayed(folder: str | os.PathLike) -> Collect:
    """Gives the dumped rollouts of ``folder`` one after another, round and round."""
    files = dumps(folder)

    def collected(params: dict, indices: np.ndarray, step: int) -> Collected:
        rollouts = read_rollouts(files[step % len(files)])
        return Collected(_NOTHING, rollouts, {}, int(rollouts.mask.sum()))

    return collected


class Pool:
    """The rollouts of the last fresh step, for steps that use them again.

    They lie in a file beside the checkpoints too, so that a run taken up between fresh steps
    finds those it was using.

    Args:
      folder: of the files.
      span: steps that a run may be thrown back, by its last checkpoint.
    """

    def __init__(self, folder: pathlib.Path, span: int):
        self._folder, self._span = folder, span
        self._latest: tuple[int, Rollouts] | None = None

    def keep(self, step: int, rollouts: Rollouts) -> None:
        """Remembers the rollouts collected at a step; forgets those too old to be asked for."""
        self._latest = step, rollouts
        if not is_main_process():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        write_rollouts(self._folder / f"{step:06d}.npz", rollouts)
        for path in dumps(self._folder):
            if int(path.stem) < step - self._span:
                path.unlink()

    def take(self, step: int) -> Collected:
        """The rollouts collected at a step."""
        if self._latest is None or self._latest[0] != step:
            self._latest = step, read_rollouts(self._folder / f"{step:06d}.npz")
        return Collected(_NOTHING, self._latest[1], {}, 0)
