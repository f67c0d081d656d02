import json

from reasoning_jax.bench import works
from reasoning_jax.bench.fixed_task import FixedPrompts, even
from reasoning_jax.bench.folders import write_tokenizer
from reasoning_jax.bench.tokenizer import IdTokenizer
from reasoning_jax.text import load_tokenizer


def test_works_travel_as_json_and_their_data_follow_from_the_seed():
    work = works.Work("dpo", "folder", rows=4, prompt=3, response=2, options={"a": 1})
    sent = json.loads(json.dumps(work.to_json() | {"warm_ups": 1}))
    assert works.read(sent) == work
    rows = works.update_rows(work, vocab_size=50)
    assert rows == works.update_rows(work, vocab_size=50)
    assert [len(row) for row in rows] == [5] * 4 and all(0 < i < 50 for row in rows for i in row)
    assert rows[0][:3] == rows[1][:3] and rows[0][3:] != rows[1][3:] and rows[0][:3] != rows[2][:3]
    assert abs(sum(works.advantages(work))) < 1e-12
    grouped = works.Work("sample", "folder", rows=4, group=2, prompt=3)
    assert len(works.prompts(grouped, 50)) == 2


def test_limits_are_geometric():
    work = works.Work("stream", "folder", rows=4000, response=200, options={"mean_length": 32})
    limits = works.limits(work)
    assert limits == works.limits(work) and min(limits) == 1 and max(limits) <= 200
    assert 30 < sum(limits) / len(limits) < 34


def test_ids_as_text(tmp_path):
    write_tokenizer(tmp_path, 20)
    read, plain = load_tokenizer(tmp_path), IdTokenizer(20)
    assert read.vocab_size == plain.vocab_size == 20 and read.eos_ids == (0,)
    for tokenizer in (read, plain):
        assert tokenizer.encode_prompt("5 17 3") == [5, 17, 3]
        assert tokenizer.decode([5, 17, 3]) == "5 17 3"


def test_prompts_of_one_length():
    task = FixedPrompts(length=4, vocab_size=20)
    problem = task.problem("train", 3)
    assert len(problem.prompt.split()) == 4 and problem == task.problem("train", 3)
    assert task.grade(problem, "3 4").correct and not task.grade(problem, "4 3").correct
    assert not even("")
