"""Checkpoints of a run: written aside and renamed, in the background, by orbax."""

import os
import pathlib
from collections.abc import Collection
from typing import Any

import orbax.checkpoint as ocp


class Checkpoints:
    """Numbered checkpoints under one folder.

    Each holds ``params``, ``meta`` (JSON: stage, step, data iterator, position in the logs)
    and, within a stage, ``training`` (its optimiser state and step).
    """

    def __init__(self, folder: str | os.PathLike):
        self._folder = pathlib.Path(folder).absolute()
        self._manager = ocp.CheckpointManager(
            self._folder,
            item_names=("params", "training", "meta"),
            options=ocp.CheckpointManagerOptions(cleanup_tmp_directories=True),
        )

    def save(self, number: int, params: Any, training: Any, meta: dict) -> None:
        """Starts writing checkpoint ``number``; the previous one is complete by then.

        Raises:
          ValueError: ``number`` is not above all that were saved before.
        """
        items = {"params": ocp.args.StandardSave(params), "meta": ocp.args.JsonSave(meta)}
        if training is not None:
            items["training"] = ocp.args.StandardSave({"state": training})
        if not self._manager.save(number, args=ocp.args.Composite(**items)):
            raise ValueError(
                f"checkpoint {number} is not saved: it must be above {self.numbers()[-1]}, the "
                f"last one in {self._folder}"
            )

    def numbers(self) -> list[int]:
        """Complete checkpoints, oldest first."""
        return sorted(self._manager.all_steps())

    def meta(self, number: int) -> dict:
        """The JSON of a checkpoint."""
        return self._restore(number, meta=ocp.args.JsonRestore())["meta"]

    def params(self, number: int, abstract: Any) -> Any:
        """The parameters of a checkpoint, into these shapes, dtypes and shardings."""
        return self._restore(number, params=ocp.args.StandardRestore(abstract))["params"]

    def training(self, number: int, abstract: Any) -> Any:
        """The rest of the device state of a checkpoint."""
        args = ocp.args.StandardRestore({"state": abstract})
        return self._restore(number, training=args)["training"]["state"]

    def keep_only(self, numbers: Collection[int]) -> None:
        """Deletes all complete checkpoints but these."""
        for number in self.numbers():
            if number not in numbers:
                self._manager.delete(number)

    def wait(self) -> None:
        """Returns when everything begun is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Finishes writing and releases the folder."""
        self._manager.close()

    def _restore(self, number: int, **args: Any) -> Any:
        try:
            return self._manager.restore(number, args=ocp.args.Composite(**args))
        except Exception as error:
            folder = self._folder / str(number)
            raise ValueError(
                f"checkpoint {folder} cannot be read ({type(error).__name__}: "
                f"{str(error).splitlines()[0] if str(error) else 'no detail'}); it is damaged or "
                "belongs to another model: delete that folder to go on from the one before"
            ) from error
