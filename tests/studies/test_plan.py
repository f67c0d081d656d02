"""Which runs a study has, and who shares a warm-up with whom."""

import pathlib

import pytest
from ml_collections import ConfigDict

from reasoning_jax.studies import Arm, Budget, Measure, Study, last
from reasoning_jax.studies.plan import plan

OUT, WARM = pathlib.Path("out"), pathlib.Path("warm")
MEASURES = (Measure("pass@1", last("rl", "eval/pass@1")),)


def config(sft_steps=10, rl_steps=5, task="modchain"):
    return ConfigDict(
        {
            "name": f"n{rl_steps}",
            "header": "h",
            "seed": 0,
            "stages": ("sft", "rl"),
            "task": task,
            "sft": {"stage": "x.sft", "steps": sft_steps},
            "rl": {"stage": "x.rl", "steps": rl_steps},
        }
    )


def study(names, shared=("sft",), **options):
    arms = {name: Arm("c.py", {"rl.steps": i}) for i, name in enumerate(names)}
    return Study("s", "?", arms, names[0], MEASURES, shared=shared, **options)


def test_arms_with_equal_first_stages_share_one_warm_up_per_seed():
    configs = {"a": config(), "b": config(rl_steps=9), "c": config(sft_steps=99)}
    jobs = plan(study("abc"), configs, OUT, WARM, seeds=2)
    begins = {job.name: job.begins_with for job in jobs if job.begins_with}
    assert begins["a/seed0"] == begins["b/seed0"] != begins["c/seed0"]
    assert begins["a/seed0"].replace("seed0", "seed1") == begins["a/seed1"]
    names = [job.name for job in jobs]
    assert len(names) == 10 == len(set(names))
    assert all(names.index(warm) < names.index(arm) for arm, warm in begins.items())
    warm = jobs[0]
    assert warm.flags[-2:] == ("--config.seed=0", "--config.stages=('sft',)")
    assert warm.workdir == WARM / warm.name
    assert jobs[1].flags == ("--config=c.py", "--config.rl.steps=0", "--config.seed=0")
    assert jobs[1].workdir == OUT / "a/seed0"


def test_another_task_is_another_warm_up():
    configs = {"a": config(), "b": config(task="dag")}
    jobs = {job.name: job for job in plan(study("ab"), configs, OUT, WARM, seeds=1)}
    assert jobs["a/seed0"].begins_with != jobs["b/seed0"].begins_with


def test_without_shared_stages_every_run_stands_alone():
    jobs = plan(study("ab", shared=()), {}, OUT, WARM, seeds=3)
    assert [job.name for job in jobs] == [f"{arm}/seed{seed}" for seed in range(3) for arm in "ab"]
    assert not any(job.begins_with for job in jobs)


@pytest.mark.parametrize("shared", [("rl",), ("sft", "rl"), ("sft", "x")])
def test_arms_must_begin_with_the_shared_stages_and_have_more(shared):
    with pytest.raises(ValueError, match=r"arm 'a' has stages \('sft', 'rl'\)"):
        plan(study("a", shared=shared), {"a": config()}, OUT, WARM, seeds=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": "z"}, "baseline 'z' is no arm; arms are a"),
        ({"arms": {"a": Arm("c.py"), "b/c": Arm("c.py")}}, "arm 'b/c' names a folder"),
        ({"measures": ()}, "has no measures"),
        ({"budget": Budget("hours")}, "budget of 'hours'; choose steps"),
        ({"seeds": 0}, "seeds is 0"),
    ],
)
def test_studies_that_mean_nothing_are_refused(change, message):
    fields = {"arms": {"a": Arm("c.py")}, "baseline": "a", "measures": MEASURES} | change
    with pytest.raises(ValueError, match=message):
        Study("s", "?", **fields)
