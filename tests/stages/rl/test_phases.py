"""Curricula: what phases set, when they end, what they begin anew."""

import json

import pytest
from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import named
from reasoning_jax.stages.rl.config import default_config
from reasoning_jax.stages.rl.curriculum import start_of
from reasoning_jax.stages.rl.phases import ACEREASON, Phase, build_phases, domain_phases
from reasoning_jax.stages.rl.step import Step
from reasoning_jax.stages.run import run

ROOM = "reasoning_jax.rl"


def block(*phases):
    made = default_config()
    made.phases = phases
    return made


def test_without_phases_the_block_is_the_only_one():
    made = block()
    (phase,) = build_phases(made)
    assert phase.block is made and not phase.over_after(10**6, [1.0])


def test_phases_set_keys_over_the_block():
    first, second = build_phases(
        block(
            {
                "set": {"max_tokens": 8, "advantage": {"name": f"{ROOM}.advantages.rloo"}},
                "steps": 3,
            },
            {"set": {"kl_coef": 0.1}, "reset": ("reference",)},
        )
    )
    assert (first.block.max_tokens, first.block.advantage.name[-4:]) == (8, "rloo")
    assert (second.block.max_tokens, second.block.advantage.name[-4:]) == (64, "grpo")
    assert first.steps == 3 and second.reset == ("reference",) and not first.block.phases
    assert start_of((second,))["coefficients"] == {"kl": 0.1, "entropy": 0.0}


def test_a_phase_ends_by_its_steps_or_by_a_mean():
    phase = Phase(ConfigDict(), steps=5, metric="rl/reward", at_least=0.5, over=2)
    assert not phase.over_after(4, [0.4, 0.5]) and phase.over_after(4, [0.4, 0.6])
    assert phase.over_after(5, [0.0, 0.0])
    assert not phase.over_after(1, [0.9])  # one of two
    assert phase.seen([0.1, 0.2], {"rl/reward": 0.3}) == [0.2, 0.3]
    with pytest.raises(ValueError, match=r"measures no 'rl/reward'; it measures rl/kl"):
        phase.seen([], {"rl/kl": 1.0})


@pytest.mark.parametrize(
    ("phases", "part"),
    [
        (({"set": {"prompts": 3}, "steps": 1},), "sets 'prompts'"),
        (({"sets": {}},), "its keys are"),
        (({"set": {}}, {"set": {}}), r"phases\[0\] has neither steps nor metric"),
        (({"set": {}, "reset": ("critic",)},), "names reference or optimizer"),
        (({"set": {}, "over": 0},), "over 0"),
    ],
)
def test_bad_phases_are_named(phases, part):
    with pytest.raises(ValueError, match=part):
        build_phases(block(*phases))


def test_each_phase_is_checked_before_work(tiny, tmp_path):
    phases = ({"set": {}, "steps": 1}, {"set": {"temperature": 0.0}})
    with pytest.raises(ValueError, match=r"config\.rl: phases\[1\]: temperature 0\.0"):
        run(tiny(phases=phases), tmp_path / "run")


def curriculum(tiny):
    """Short answers of one part, then longer ones of another with a reference begun anew."""
    config = tiny(
        steps=4,
        checkpoint_every=1,
        admit=named("reasoning_jax.stages.rl.admit.of_parts", parts=("a",)),
        phases=(
            {"set": {"max_tokens": 3}, "metric": "rl/length", "at_least": 0.0, "over": 2},
            {
                "set": {
                    "max_tokens": 6,
                    "temperature": 0.8,
                    "group_size": 2,
                    "kl_coef": 0.1,
                    "admit": {"name": "reasoning_jax.stages.rl.admit.of_parts", "parts": ("b",)},
                },
                "reset": ("reference", "optimizer"),
            },
        ),
    )
    config.rl.optimizer.schedule.warmup_steps = 0
    config.task = "reasoning_jax.tasks.mixture:Mixture"
    part = {"task": "coin_task:CoinChain", "train_size": 500}
    config.task_options = ConfigDict({"parts": {"a": part, "b": {**part, "length": 5}}})
    return config


def prompts_of(workdir):
    rows = map(json.loads, (workdir / "samples" / "rl.jsonl").read_text().splitlines())
    return {(row["step"], row["problem"].split("/")[0]) for row in rows}


def test_a_run_passes_through_its_phases(tiny, tmp_path, steps_of):
    run(curriculum(tiny), tmp_path)
    lines = steps_of(tmp_path)
    assert [line["rl/phase"] for line in lines] == [0, 0, 1, 1]
    assert [line["rl/verdict/coin"] for line in lines] == [32, 32, 16, 16]
    assert all(line["rl/length"] <= 3 for line in lines[:2])
    assert prompts_of(tmp_path) == {(1, "a"), (2, "a"), (3, "b"), (4, "b")}
    # The reference is the policy at the beginning of the phase.
    assert lines[2]["rl/kl"] == pytest.approx(0, abs=1e-9) and lines[3]["rl/kl"] > 1e-9
    assert "rl/kl_coef" not in lines[0] and lines[2]["rl/kl_coef"] == pytest.approx(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("broken_at", [1, 2, 3])
def test_a_broken_off_curriculum_goes_on_bit_identically(
    tiny, tmp_path, steps_of, monkeypatch, broken_at
):
    config = curriculum(tiny)
    run(config, tmp_path / "whole")
    original = Step.__call__

    def break_off(self, state, indices, step, age):
        if step == broken_at:
            raise KeyboardInterrupt
        return original(self, state, indices, step, age)

    monkeypatch.setattr(Step, "__call__", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "broken")
    monkeypatch.undo()
    run(config, tmp_path / "broken")
    assert steps_of(tmp_path / "broken") == steps_of(tmp_path / "whole")


def test_nothing_to_admit_is_said(tiny, tmp_path):
    config = tiny(admit=named("reasoning_jax.stages.rl.admit.prompt_within", high=1))
    config.task_options.train_size = 50
    with pytest.raises(RuntimeError, match=r"admit lets only 0 of \d+ problems of 'train' pass"):
        run(config, tmp_path)


def test_acereason_stages(cases):
    case = next(c for c in cases("acereason")["cases"] if c["id"] == "stage_schedule")
    expected = [(stage["domain"], stage["max_len"]) for stage in case["inputs"]["stages"]]
    phases = build_phases(block(*domain_phases(ACEREASON, steps=10)))
    found = [(phase.block.admit.parts[0], phase.block.max_tokens) for phase in phases]
    assert found == expected


@pytest.mark.parametrize(
    ("stages", "part"),
    [
        ((("math", 8), ("code", 8), ("math", 16)), "stage 3: math after math, code"),
        ((("math", 8), ("math", 4)), "stage 2: 4 tokens after 8 of math"),
    ],
)
def test_domains_out_of_order_are_named(stages, part):
    with pytest.raises(ValueError, match=part):
        domain_phases(stages, steps=1)
