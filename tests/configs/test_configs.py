"""Every recipe and every study loads, and all of its keys and functions are known."""

import importlib
import inspect
import pathlib

import job
import pytest

from launch.resolve import resolve
from launch.study import load_study
from reasoning_jax.stages.recipe import stage_modules
from reasoning_jax.stages.run import check

CONFIGS = job.REPOSITORY / "configs"
# Bases of others, without a recipe of their own.
BASES = ("chains",)
RECIPES = sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem not in BASES)
STUDIES = sorted((CONFIGS / "studies").glob("*.py"))


def module(recipe: str):
    return importlib.import_module(f"configs.{recipe}")


def chosen(recipe: str) -> list[str]:
    """The recipe as ``--config`` takes it, alone and with each variant it lists."""
    variants = dict.fromkeys(("", *getattr(module(recipe), "VARIANTS", ())))
    return [f"configs/{recipe}.py" + (f":{variant}" if variant else "") for variant in variants]


# Those with variants have a small form; the others read files.
SMALL = [name for name in RECIPES if inspect.signature(module(name).get_config).parameters]


@pytest.mark.parametrize("config", [name for recipe in RECIPES for name in chosen(recipe)])
def test_every_recipe_loads_and_knows_its_keys(config):
    resolved = resolve([f"--config={config}"])
    assert list(stage_modules(resolved)) == list(resolved.stages)
    assert resolved.is_locked and resolved.header


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_names_recipes_that_exist(path: pathlib.Path):
    study = load_study(str(path), [])
    for arm in study.arms.values():
        config = resolve(arm.flags())
        assert tuple(config.stages[: len(study.shared)]) == study.shared


@pytest.mark.slow
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_arm_may_begin_on_eight_devices(path: pathlib.Path, tmp_path):
    for name, arm in load_study(str(path), []).arms.items():
        if name == "foreign":
            continue  # its teacher is trained first
        check(resolve(arm.flags()), tmp_path / name)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SMALL)
def test_the_small_form_of_every_recipe_runs_from_its_one_command(recipe, tmp_path):
    run = job.start(tmp_path / "run", settings=(f"--config=configs/{recipe}.py:small",))
    job.finish(run)
    stages = list(resolve([f"--config=configs/{recipe}.py:small"]).stages)
    logged = list(dict.fromkeys(line["stage"] for line in job.lines(tmp_path / "run")))
    # Stages that choose or merge measure nothing; those that do come in order.
    assert logged and logged == [stage for stage in stages if stage in logged]
    assert (tmp_path / "run/model/config.json").exists()
    assert (tmp_path / "run/report.html").exists()
