"""Which runs a study consists of, and which of them begin from a shared warm-up."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence

from ml_collections import ConfigDict

from reasoning_jax.studies.study import Study

# What of a config does not bear on what a stage does, or is said of a stage elsewhere.
_APART = ("name", "header", "seed", "stages")


@dataclasses.dataclass(frozen=True)
class Job:
    """One run of ``launch.train``.

    Attributes:
      name: ``arm/seedN``, or ``warm-up.KEY/seedN``.
      workdir: its folder.
      flags: of ``launch.train``, the workdir's apart.
      identity: what must be the same for a run in this folder to be gone on with.
      begins_with: name of the job whose finished run this one goes on from; empty for none.
    """

    name: str
    workdir: pathlib.Path
    flags: tuple[str, ...]
    identity: str
    begins_with: str = ""


def plan(
    study: Study,
    configs: Mapping[str, ConfigDict],
    out: pathlib.Path,
    warm_ups: pathlib.Path,
    seeds: int,
) -> list[Job]:
    """The jobs of a study, seed by seed, each warm-up before the arms that share it.

    A warm-up is the arm's own command with fewer stages. A run's random numbers depend on its
    seed and on a stage's place, so going on from a copy of its folder is bit by bit the run that
    did everything itself. Warm-ups are named by what bears on them, so that studies may share
    their folder.

    Args:
      configs: the resolved config of every arm.
      out, warm_ups: folders of the arms' runs and of the warm-ups.
      seeds: how many.

    Raises:
      ValueError: an arm does not begin with the shared stages, or has no others.
    """
    jobs: dict[str, Job] = {}
    for seed in range(seeds):
        for name, arm in study.arms.items():
            flags = (*arm.flags(), f"--config.seed={seed}")
            begins_with = ""
            if study.shared:
                _check_shared(study, name, configs[name].stages)
                key = _shared_key(configs[name], study.shared)
                begins_with = f"warm-up.{key}/seed{seed}"
                chosen = (*flags, f"--config.stages={tuple(study.shared)!r}")
                jobs.setdefault(
                    begins_with, Job(begins_with, warm_ups / begins_with, chosen, identity=key)
                )
            run = f"{name}/seed{seed}"
            jobs[run] = Job(run, out / run, flags, " ".join(flags), begins_with)
    return list(jobs.values())


def _check_shared(study: Study, arm: str, stages: Sequence[str]) -> None:
    shared = tuple(study.shared)
    if tuple(stages[: len(shared)]) != shared or len(stages) == len(shared):
        raise ValueError(
            f"study {study.name}: arm {arm!r} has stages {tuple(stages)}; it must begin with the "
            f"shared ones, {shared}, and have more"
        )


def _shared_key(config: ConfigDict, shared: Sequence[str]) -> str:
    """Equal for arms that do the same in the shared stages."""
    plain = json.loads(config.to_json_best_effort())
    stages = {name for name, value in plain.items() if isinstance(value, dict) and "stage" in value}
    bearing = {
        name: value
        for name, value in plain.items()
        if name not in _APART and (name in shared or name not in stages)
    }
    return hashlib.sha256(json.dumps(bearing, sort_keys=True).encode()).hexdigest()[:8]
