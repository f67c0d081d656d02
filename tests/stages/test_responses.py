"""Stages of unpaired and of scored responses, packed pairs, and rounds of fresh pairs."""

import json
import math

import pytest

from configs.dpo import get_config
from reasoning_jax.preference.pairs import (
    Pair,
    Scored,
    read_pairs,
    read_scored,
    read_singles,
    write_pairs,
    write_scored,
)
from reasoning_jax.stages.recipe import add_stage
from reasoning_jax.stages.run import run
from reasoning_jax.tasks.modchain import ModChain


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Forty chains: the true answer against one and against three others."""
    folder = tmp_path_factory.mktemp("files")
    task = ModChain(length=3, modulus=5, operations="+-")
    pairs, scored = [], []
    for index in range(40):
        problem = task.problem("train", index)
        a, b, c = problem.info["steps"]
        answers = [f"{a},{b},{(c + more) % 5}" for more in range(4)]
        pairs.append(Pair(problem.prompt, answers[0], answers[1], source=problem.id))
        scores = (1.0, 0.25, 0.0, 0.0)
        kept = 3 if index % 2 else 4
        scored.append(Scored(problem.prompt, tuple(answers[:kept]), scores[:kept], problem.id))
    write_pairs(folder / "pairs.jsonl", pairs)
    write_scored(folder / "scored.jsonl", scored)
    return folder


def make_config(stage, **keywords):
    config = get_config("small").unlock()
    config.stages = ()
    block = add_stage(config, "learn", f"reasoning_jax.stages.{stage}")
    for name in ("sft", "evaluate_sft", "dpo", "evaluate_dpo"):
        del config[name]
    block.max_length, block.max_context = 48, 32
    block.steps, block.log_every, block.evaluate_every = 6, 1, 0
    block.checkpoint_every = 2
    block.optimizer.schedule.warmup_steps = 0
    block.optimizer.schedule.peak = 1e-3
    for name, value in keywords.items():
        block[name] = value
    return config


def source(name, **keywords):
    return {"name": f"reasoning_jax.stages.sources.{name}", **keywords}


# Where policy and reference are the same, rounding ranks pairs.
NOT_ALIKE = ("time", "stage", "rewards/accuracies")


def logged(workdir, key="train/loss"):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in NOT_ALIKE and not k.startswith("perf/")}
        for line in lines
        if key in line
    ]


def singles_config(files, **keywords):
    apart = source("singles.PairFileApart", path=str(files / "pairs.jsonl"))
    return make_config("unpaired", source=apart, responses=16, **keywords)


def scored_config(files, **keywords):
    file = source("scored.ScoredFile", path=str(files / "scored.jsonl"))
    return make_config("scored", source=file, prompts=8, **keywords)


def packed_config(files, **keywords):
    file = source("pairs.PairFile", path=str(files / "pairs.jsonl"))
    # Three pairs of up to 26 tokens.
    return make_config(
        "preference", source=file, pairs=8, row_tokens=96, steps=4, max_length=48, **keywords
    )


CONFIGS = {"kto": singles_config, "nca": scored_config, "packed": packed_config}
# A policy that is its reference: half of each weight; twice ln 2; ln 2.
AT_THE_REFERENCE = {"kto": 0.5, "nca": 2 * math.log(2), "packed": math.log(2)}


@pytest.mark.parametrize("name", ["kto", pytest.param("nca", marks=pytest.mark.slow)])
def test_it_begins_at_the_reference_and_learns(files, tmp_path, name):
    run(CONFIGS[name](files), tmp_path / "run")
    lines = logged(tmp_path / "run")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[0]["train/loss"] == pytest.approx(AT_THE_REFERENCE[name], abs=1e-5)
    assert lines[0]["rewards/margins"] == pytest.approx(0, abs=1e-5)
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    assert lines[-1]["rewards/margins"] > 1e-4
    if name == "kto":
        assert lines[0]["rewards/kl"] == pytest.approx(0, abs=1e-5)
        assert all(line["rewards/kl"] >= 0 for line in lines)
        assert len(read_singles(tmp_path / "run" / "pairs" / "learn.jsonl")) == 80
    else:
        assert len(read_scored(tmp_path / "run" / "pairs" / "learn.jsonl")) == 40


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_one_device_and_eight_and_micro_batches_agree(files, tmp_path, name):
    """KTO's estimate is that of the whole update, wherever its rows are."""
    found = []
    for at, (data, micro_batches) in enumerate(((1, 1), (-1, 1), (1, 2))):
        config = CONFIGS[name](files, micro_batches=micro_batches)
        config.mesh.data = data
        if data == 1:
            config.mesh.fsdp, config.mesh.tensor, config.mesh.expert = 1, 1, 1
            with one_device():
                run(config, tmp_path / str(at))
        else:
            run(config, tmp_path / str(at))
        found.append(logged(tmp_path / str(at)))
    for other in found[1:]:
        for ours, theirs in zip(other, found[0], strict=True):
            assert ours == pytest.approx(theirs, rel=2e-3, abs=2e-4)


class one_device:
    """Meshes of the first device alone."""

    def __enter__(self):
        from reasoning_jax.stages import context

        self.patch = pytest.MonkeyPatch()
        make_mesh = context.make_mesh

        def first(**sizes):
            import jax

            return make_mesh(**sizes, devices=jax.devices()[:1])

        self.patch.setattr(context, "make_mesh", first)

    def __exit__(self, *_):
        self.patch.undo()


@pytest.mark.slow
def test_packed_pairs_begin_where_others_do(files, tmp_path):
    run(packed_config(files), tmp_path / "run")
    lines = logged(tmp_path / "run")
    assert lines[0]["train/loss"] == pytest.approx(AT_THE_REFERENCE["packed"], abs=1e-5)
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    # Fewer rows than pairs, each fuller than a pair's side would be.
    (counts,) = logged(tmp_path / "run", "pairs/count")
    assert counts["pairs/count"] < 40 and counts["pairs/length"] > 48


class _Stopped(Exception):
    pass


@pytest.mark.slow
def test_fresh_pairs_every_so_many_steps_and_a_run_taken_up_again(tmp_path, monkeypatch):
    """A fresh policy answers one step modulo 10 rightly now and then."""
    config = make_config("preference", pairs=8, resample_every=2, checkpoint_every=1)
    config.task_options.update({"length": 1, "modulus": 10, "operations": "+-*"})
    config.learn.source = source("pairs.SampledOutcomes", problems=64, n=64, max_tokens=4)
    run(config, tmp_path / "whole")
    rounds = [tmp_path / "whole" / "pairs" / f"learn{n}.jsonl" for n in ("", "-1", "-2")]
    pairs = [read_pairs(path) for path in rounds]
    assert len({round for round in pairs}) == 3
    assert [line["step"] for line in logged(tmp_path / "whole", "pairs/count")] == [0, 2, 4]

    from reasoning_jax.stages import responses

    make_update, calls = responses.make_update, []

    def breaking(*args, **keywords):
        update = make_update(*args, **keywords)

        def counted(*arguments):
            calls.append(None)
            if len(calls) == 4:  # within the second round
                raise _Stopped
            return update(*arguments)

        return counted

    monkeypatch.setattr(responses, "make_update", breaking)
    with pytest.raises(_Stopped):
        run(config, tmp_path / "broken")
    monkeypatch.undo()
    run(config, tmp_path / "broken")
    assert logged(tmp_path / "broken") == logged(tmp_path / "whole")


@pytest.mark.parametrize(
    "make, key, value, fault",
    [
        (singles_config, "responses", 12, "12 rows"),
        (singles_config, "loss.name", "reasoning_jax.preference.nca", "loss cannot be used here"),
        (scored_config, "loss.name", "reasoning_jax.preference.kto", "not one array of shape"),
        (scored_config, "source.path", "none.jsonl", "none.jsonl"),
        (packed_config, "row_tokens", 64, "both sides of a pair, 96 tokens at max_length 48"),
        (packed_config, "resample_every", -1, "resample_every is -1"),
    ],
)
def test_what_cannot_work_is_refused(files, tmp_path, make, key, value, fault):
    config = make(files)
    block = config.learn
    *path, last = key.split(".")
    for name in path:
        block = block[name]
    block[last] = value
    with pytest.raises((ValueError, FileNotFoundError), match=fault):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
