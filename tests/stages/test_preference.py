"""Preference stages of whole runs, on pairs of a file."""

import json
import math

import pytest

from configs.dpo import get_config
from reasoning_jax.preference.pairs import Pair, read_pairs, write_pairs
from reasoning_jax.stages.recipe import stage_modules
from reasoning_jax.stages.run import run
from reasoning_jax.tasks.modchain import ModChain

# Values of every loss where the policy is the reference and sides are equally long.
AT_THE_REFERENCE = {"dpo": math.log(2), "ipo": 25.0, "nca_pair": 2 * math.log(2)}


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory):
    """Forty chains with a last step that is right against one that is not."""
    task = ModChain(length=3, modulus=5, operations="+-")
    pairs = []
    for index in range(40):
        problem = task.problem("train", index)
        a, b, c = problem.info["steps"]
        pairs.append(Pair(problem.prompt, f"{a},{b},{c}", f"{a},{b},{(c + 1) % 5}"))
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    write_pairs(path, pairs)
    return path


def make_config(pairs_file, **changes):
    config = get_config("small").unlock()
    config.stages = ("dpo",)
    config.dpo.source = {
        "name": "reasoning_jax.stages.sources.pairs.PairFile",
        "path": str(pairs_file),
    }
    config.dpo.steps = 6
    config.dpo.log_every = 1
    config.dpo.evaluate_every = 0
    config.dpo.checkpoint_every = 2
    config.dpo.optimizer.schedule.warmup_steps = 0
    config.dpo.optimizer.schedule.peak = 1e-3
    config.update(changes)
    return config


def logged(workdir):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "train/loss" in line]


@pytest.mark.parametrize("variant", ["", "step", "small"])
def test_every_key_of_the_recipe_is_known(variant):
    assert list(stage_modules(get_config(variant))) == [
        "sft",
        "evaluate_sft",
        "dpo",
        "evaluate_dpo",
    ]


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="dpo has no variant 'whole'"):
        get_config("whole")


@pytest.mark.parametrize(
    "loss, lora_rank", [("dpo", 0), pytest.param("nca_pair", 4, marks=pytest.mark.slow)]
)
def test_it_begins_at_the_reference_and_learns_the_preference(
    pairs_file, tmp_path, loss, lora_rank
):
    """Adapters begin at the base, which is the reference then, with no second copy of it."""
    config = make_config(pairs_file)
    config.dpo.loss.name = f"reasoning_jax.preference.pair_losses.{loss}"
    config.lora.rank = lora_rank
    run(config, tmp_path / "run")
    lines = logged(tmp_path / "run")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[0]["train/loss"] == pytest.approx(AT_THE_REFERENCE[loss], abs=1e-5)
    assert lines[0]["rewards/margins"] == pytest.approx(0, abs=1e-5)
    assert lines[-1]["rewards/margins"] > 1e-3
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    assert lines[-1]["rewards/margins"] == pytest.approx(
        lines[-1]["rewards/chosen"] - lines[-1]["rewards/rejected"], abs=1e-6
    )
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


class _Stopped(Exception):
    pass


@pytest.mark.slow
def test_a_run_taken_up_again_goes_on_bit_identically(pairs_file, tmp_path, monkeypatch):
    config = make_config(pairs_file)
    run(config, tmp_path / "whole")

    from reasoning_jax.stages import responses

    make_update, calls = responses.make_update, []

    def breaking(*args, **keywords):
        update = make_update(*args, **keywords)

        def counted(*arguments):
            calls.append(None)
            if len(calls) == 6:  # the last checkpoint is that of step 4
                raise _Stopped
            return update(*arguments)

        return counted

    monkeypatch.setattr(responses, "make_update", breaking)
    with pytest.raises(_Stopped):
        run(config, tmp_path / "broken")
    monkeypatch.undo()
    # Pairs are those of the workdir then, whatever has become of their source.
    config.dpo.source.path = str(tmp_path / "whole" / "pairs" / "dpo.jsonl")
    run(config, tmp_path / "broken")
    kept = [
        [
            {k: v for k, v in line.items() if k != "time" and not k.startswith("perf/")}
            for line in logged(tmp_path / name)
        ]
        for name in ("whole", "broken")
    ]
    assert kept[0] == kept[1] and len(kept[0]) == 6


@pytest.mark.parametrize(
    "key, value, parts",
    [
        ("pairs", 12, ["config.dpo", "12 rows", "multiple of 8"]),
        ("steps", 0, ["steps is 0"]),
        ("max_context", 48, ["max_context 48 and max_length 48"]),
        ("max_length", 5000, ["max_length 5000", "context 4096"]),
        ("loss.name", "reasoning_jax.preference.pair_losses.none", ["loss.name"]),
        ("loss.name", "reasoning_jax.preference.pair_losses.simpo", []),
        ("loss.name", "reasoning_jax.preference.pair_losses.ipo", []),
        ("loss.name", "reasoning_jax.rl.k1", ["loss", "cannot be used here"]),
        ("loss.name", "reasoning_jax.preference.kto", ["loss", "cannot be used here"]),
        ("source.path", "none.jsonl", ["none.jsonl"]),
        ("source.n", 3, ["source", "takes no 'n'"]),
    ],
)
def test_what_cannot_work_is_refused(pairs_file, tmp_path, monkeypatch, key, value, parts):
    config = make_config(pairs_file)
    block = config.dpo
    *path, last = key.split(".")
    for name in path:
        block = block[name]
    block[last] = value
    started = []
    monkeypatch.setattr("reasoning_jax.stages.run._run_stages", lambda *_: started.append(1))
    monkeypatch.setattr("reasoning_jax.stages.run._export", lambda *_: None)
    if not parts:
        run(config, tmp_path / "run")
        assert started
        return
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        run(config, tmp_path / "run")
    assert all(part in str(error.value) for part in parts)
    assert not (tmp_path / "run").exists()


def test_dropout_of_adapters_is_refused(pairs_file, tmp_path):
    config = make_config(pairs_file)
    config.lora.rank, config.lora.dropout = 2, 0.1
    with pytest.raises(ValueError, match=r"config\.dpo: config\.lora\.dropout is 0\.1"):
        run(config, tmp_path / "run")


def test_too_few_pairs_are_told(pairs_file, tmp_path):
    config = make_config(pairs_file)
    config.dpo.pairs = 48
    with pytest.raises(
        RuntimeError, match="the source gives 40 pairs, fewer than one update of 48"
    ):
        run(config, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("source", ["SampledOutcomes", "SampledSteps"])
def test_pairs_of_a_policys_own_answers(pairs_file, tmp_path, source):
    """A fresh policy answers one step modulo 10 rightly now and then."""
    config = make_config(pairs_file)
    config.task_options.update({"length": 1, "modulus": 10, "operations": "+-*"})
    keywords = {"problems": 64, "n": 64, "max_tokens": 4}
    if source == "SampledSteps":
        keywords |= {"corrections": 64, "separator": ","}
    config.dpo.source = {"name": f"reasoning_jax.stages.sources.pairs.{source}", **keywords}
    config.dpo.pairs, config.dpo.steps = 8, 2
    run(config, tmp_path / "run")
    pairs = read_pairs(tmp_path / "run" / "pairs" / "dpo.jsonl")
    assert len(pairs) >= 8
    task = ModChain(length=1, modulus=10, operations="+-*")
    problems = {p.id: p for p in (task.problem("train", index) for index in range(64))}
    for pair in pairs:
        problem = problems[pair.source]
        assert (pair.prompt, pair.chosen) == (problem.prompt, problem.answer)
        assert pair.rejected != pair.chosen and pair.prefix == ""
        assert pair.complete == (source == "SampledOutcomes")
    assert logged(tmp_path / "run")[0]["train/loss"] == pytest.approx(math.log(2), abs=1e-5)
