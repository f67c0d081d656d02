"""What curators choose, of a scripted policy's samples; and a run that imitates what was chosen."""

import json
import types

import pytest

from configs.dpo import get_config
from reasoning_jax.stages.examples import Example, read_examples, write_examples
from reasoning_jax.stages.recipe import add_stage
from reasoning_jax.stages.run import run
from reasoning_jax.stages.sources.curators import (
    Drawn,
    Harder,
    OwnRight,
    Selected,
    Solutions,
    word_counts,
)
from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.text import CharTokenizer
from reasoning_jax.types import Completion
from reasoning_jax.verify.pool import Pool
from reasoning_jax.verify.verifier import Verifier

TASK = ModChain(length=3, noise=0.5)
COUNT = 12


def right(index):
    return ",".join(map(str, TASK.problem("train", index).info["steps"]))


class Scripted:
    """Of the problem with index i, i modulo 5 of four samples are right."""

    def stream(self, prompts, sampling, prompt_ids):
        for place, ids in enumerate(prompts):
            text = CharTokenizer(TASK.alphabet).decode(ids)
            index = next(i for i in range(COUNT) if TASK.problem("train", i).prompt == text)
            texts = [right(index) if n < index % 5 else "1,x" for n in range(sampling.n)]
            yield place, [Completion(text, (), (), "stop") for text in texts]


@pytest.fixture(scope="module")
def context():
    verifier = Verifier(Pool(1), max_failures=1.0, window=10, least=10)
    yield types.SimpleNamespace(
        task=TASK,
        tokenizer=CharTokenizer(TASK.alphabet),
        verifier=verifier,
        tooling=types.SimpleNamespace(toolbox=None),
        model=types.SimpleNamespace(max_position=64),
        sampler=lambda trained: Scripted(),
    )
    verifier.close()


def index_of(example):
    return int(example.source.rpartition("/")[2])


def verified():
    """Problems whose noisy solution ends rightly all the same."""
    found = [i for i in range(COUNT) if TASK.problem("train", i).solution[-1] == right(i)[-1]]
    assert 2 < len(found) < COUNT
    return found


def test_solutions_must_be_right(context):
    curator = Solutions(problems=COUNT)
    curator.validate(context)
    examples, counts = curator.examples(context, {}, 0)
    assert [index_of(example) for example in examples] == verified()
    assert examples[0].response == TASK.problem("train", verified()[0]).solution
    assert counts == {"pool": COUNT, "distinct": COUNT, "verified": len(verified())}


def test_questions_of_the_test_are_left_out(context):
    """Letters alone are compared, and these chains have none: all are taken for one."""
    examples, counts = Solutions(problems=COUNT, words=3).examples(context, {}, 0)
    assert examples == () and counts["clean"] == 0


def test_the_seldom_solved_are_kept(context):
    examples, counts = Harder(problems=COUNT, below=2, max_tokens=8).examples(context, {}, 0)
    expected = [i for i in verified() if i % 5 < 2]
    assert [index_of(example) for example in examples] == expected
    assert counts["selected"] == len(expected)


def test_a_selection_takes_the_hardest_of_each_group(context):
    curator = Selected(problems=COUNT, budget=3, groups=1, max_tokens=8)
    curator.validate(context)
    examples, counts = curator.examples(context, {}, 0)
    assert len(examples) == 3 == counts["selected"]
    passes = sorted(i % 5 for i in verified())
    assert sorted(index_of(e) % 5 for e in examples) == passes[:3]
    assert counts["passes_of_selected"] <= counts["passes_of_pool"]


def test_a_random_part_of_the_same_size(context):
    first, _ = Drawn(problems=COUNT, budget=3).examples(context, {}, 0)
    again, _ = Drawn(problems=COUNT, budget=3).examples(context, {}, 0)
    assert first == again and len(first) == 3
    assert {index_of(example) for example in first} <= set(verified())


def test_own_right_responses_follow_the_seeds(context):
    curator = OwnRight(problems=3, solutions=2, max_tokens=8)
    curator.validate(context)
    examples, counts = curator.examples(context, {}, 0)
    seeds = [TASK.problem("train", i) for i in range(2)]
    own = [TASK.problem("train", i) for i in (1, 2)]  # the first is never solved
    assert examples == (
        *(Example(p.prompt, p.solution, p.id) for p in seeds),
        *(Example(p.prompt, right(int(p.id[-1])), p.id) for p in own),
    )
    assert counts == {"problems": 3, "own": 2}


@pytest.mark.parametrize(
    "curator, fault",
    [
        (Solutions(problems=10**7), "problems is 10000000"),
        (Selected(problems=5, budget=6, max_tokens=8), "budget is 6"),
        (Selected(problems=5, budget=5, groups=0, max_tokens=8), "groups is 0"),
        (Harder(problems=5, below=5, max_tokens=8), "below is 5"),
        (Harder(problems=5, max_tokens=80), "exceed the context of 64"),
        (OwnRight(problems=5, solutions=-1), "solutions -1"),
    ],
)
def test_what_cannot_work_is_refused(context, curator, fault):
    with pytest.raises(ValueError, match=fault):
        curator.validate(context)


def test_words_are_counted_whatever_their_numbers():
    first, second, other = word_counts(["Ann has 3 apples.", "ann has 77 apples.", "1+2*3="])
    assert (first == second).all() and (first != other).any()
    assert first.sum() == 4 and other.sum() == 3


def test_examples_are_written_and_read(tmp_path):
    examples = (Example("1+1=", "2", "x"), Example("1+2=", "3"))
    write_examples(tmp_path / "examples.jsonl", examples)
    assert read_examples(tmp_path / "examples.jsonl") == examples
    lines = [{"prompt": "1+1=", "completion": "2"}, {"prompt": "1+1=", "response": " "}]
    (tmp_path / "examples.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    with pytest.raises(ValueError, match="line 2: the response is empty"):
        read_examples(tmp_path / "examples.jsonl")


def make_config(**changes):
    config = get_config("small").unlock()
    for name in ("evaluate_sft", "dpo", "evaluate_dpo"):
        del config[name]
    config.stages = ()
    curate = add_stage(config, "chosen", "reasoning_jax.stages.curate")
    curate.curator = {
        "name": "reasoning_jax.stages.sources.curators.Drawn",
        "problems": 200,
        "budget": 60,
    }
    config.stages = ("chosen", "sft")
    config.sft.update(
        {"data": "chosen", "examples": 0, "rows": 8, "steps": 2, "evaluate_every": 0, **changes}
    )
    config.sft.gate.metric = ""
    return config


@pytest.mark.slow
def test_a_stage_imitates_what_another_chose(tmp_path):
    run(make_config(), tmp_path / "run")
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    (chosen,) = [line for line in lines if "curate/selected" in line]
    assert chosen["curate/selected"] == 60
    assert len(read_examples(tmp_path / "run" / "data" / "chosen.jsonl")) == 60
    assert any("train/loss" in line for line in lines)
    # The same file, named as one.
    config = make_config(data=str(tmp_path / "run" / "data" / "chosen.jsonl"))
    config.stages = ("sft",)
    run(config, tmp_path / "again")


def test_data_that_is_nowhere_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="'other': no file, and no stage of this run"):
        run(make_config(data="other"), tmp_path / "run")
