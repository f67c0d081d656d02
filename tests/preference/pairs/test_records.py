import json
import logging

import pytest

from reasoning_jax.preference.pairs import (
    Pair,
    Scored,
    Single,
    encode_pair,
    read_pairs,
    read_scored,
    read_singles,
    unpaired,
    write_pairs,
)
from reasoning_jax.text import CharTokenizer, ChatTemplate, ChatTokenizer


def messages(*turns):
    return [{"role": role, "content": content} for role, content in turns]


USER = ("user", "What is 2+3?")
EARLIER = (("system", "Add."), ("user", "1+1?"), ("assistant", "2"))


LAYOUTS = [
    (
        {"prompt": "2+3=", "chosen": " 5", "rejected": " 6"},
        Pair("2+3=", " 5", " 6"),
    ),
    (
        {"chosen": "What is 2+3? It is 55.", "rejected": "What is 2+3? It is 56."},
        Pair("What is 2+3? It is ", "55.", "56."),
    ),
    (
        {
            "prompt": messages(USER),
            "chosen": messages(("assistant", "5")),
            "rejected": messages(("assistant", "6")),
        },
        Pair("What is 2+3?", "5", "6"),
    ),
    (
        {
            "chosen": messages(USER, ("assistant", "5")),
            "rejected": messages(USER, ("assistant", "6")),
        },
        Pair("What is 2+3?", "5", "6"),
    ),
    (
        {
            "prompt": "What is 2+3?",
            "chosen": messages(USER, ("assistant", "5")),
            "rejected": messages(USER, ("assistant", "6")),
            "score_chosen": 8.5,
        },
        Pair("What is 2+3?", "5", "6"),
    ),
    (
        {
            "prompt": "Add 2 and 3, then double.",
            "initial_reason_steps": "Step 1: 2+3=5.\nStep 2:",
            "chosen": " 2*5=10.",
            "rejected": " 2*5=25.",
            "full_chosen": "not read",
            "answer": "10",
        },
        Pair(
            "Add 2 and 3, then double.",
            " 2*5=10.",
            " 2*5=25.",
            "Step 1: 2+3=5.\nStep 2:",
            complete=False,
        ),
    ),
    (
        {
            "prompt": messages(("system", "Add."), ("user", "1+1?"), ("assistant", "2"), USER),
            "chosen": messages(("assistant", "5")),
            "rejected": messages(("assistant", "6")),
        },
        Pair("What is 2+3?", "5", "6", turns=EARLIER),
    ),
    (
        {
            "chosen": messages(*EARLIER, USER, ("assistant", "5")),
            "rejected": messages(*EARLIER, USER, ("assistant", "6")),
        },
        Pair("What is 2+3?", "5", "6", turns=EARLIER),
    ),
    (
        {
            "source": "evol_instruct",
            "instruction": "What is 2+3?",
            "completions": [
                {"response": "6", "overall_score": 3.0, "model": "a"},
                {"response": "5", "overall_score": 8.5, "model": "b"},
                {"response": "7", "overall_score": 1.0, "model": "c"},
                {"response": "8", "overall_score": 1.0, "model": "d"},
            ],
        },
        Pair("What is 2+3?", "5", "7", source="evol_instruct"),
    ),
]


def write_lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.mark.parametrize("record, pair", LAYOUTS)
def test_layouts(tmp_path, record, pair):
    write_lines(tmp_path / "pairs.jsonl", record)
    assert read_pairs(tmp_path / "pairs.jsonl") == (pair,)


@pytest.mark.parametrize("record, pair", LAYOUTS)
def test_layouts_in_parquet(tmp_path, record, pair):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.Table.from_pylist([record]), tmp_path / "pairs.parquet")
    assert read_pairs(tmp_path / "pairs.parquet") == (pair,)


@pytest.mark.parametrize(
    "record, fault",
    [
        ({"prompt": "Q", "chosen": "a"}, "expected a text 'rejected', got None"),
        ({"prompt": "Q", "chosen": "a", "rejected": "a"}, "there is no preference"),
        ({"prompt": " ", "chosen": "a", "rejected": "b"}, "the prompt is empty"),
        ({"chosen": "ab", "rejected": "ac"}, "the prompt is empty"),
        (
            {"chosen": messages(USER, ("assistant", "5")), "rejected": messages(USER)},
            r"roles \['user'\]; the last one must be the assistant's",
        ),
        (
            {"chosen": messages(("assistant", "5")), "rejected": messages(("assistant", "6"))},
            r"roles \[\]; the last of them must be the user's",
        ),
        (
            {"prompt": "Q", "responses": ["a", "b"], "scores": [1, 1]},
            "all scores are 1.0; there is no preference",
        ),
        (
            {"prompt": "Q", "responses": ["a", "b"], "scores": [1]},
            "2 responses with 1 scores",
        ),
        (
            {"instruction": "Q", "completions": [{"response": "a"}]},
            r"'overall_score' of each completion, got \[None\]",
        ),
        (
            {
                "chosen": messages(USER, ("assistant", "5")),
                "rejected": messages(("user", "Else?"), ("assistant", "6")),
            },
            "different prompts",
        ),
    ],
)
def test_broken_records_are_named_by_their_line(tmp_path, record, fault):
    path = tmp_path / "pairs.jsonl"
    good = {"prompt": "2+3=", "chosen": " 5", "rejected": " 6"}
    path.write_text(json.dumps(good) + "\n" + json.dumps(record) + "\n")
    with pytest.raises(ValueError, match=rf"pairs\.jsonl, line 2: .*{fault}"):
        read_pairs(path)


def test_what_is_written_is_read_again(tmp_path):
    pairs = (
        Pair("2+3=", " 5\n", " 6", source="modchain/train/1"),
        Pair("2+3+4=", "9", "8", prefix="5,", complete=False),
        Pair("2+3+4=", "9", "8", prefix="5,", complete=True),
        Pair("2+3=", "5", "6", turns=EARLIER),
    )
    write_pairs(tmp_path / "pairs.jsonl", pairs)
    assert read_pairs(tmp_path / "pairs.jsonl") == pairs
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


def test_malformed_records_are_counted_and_named_by_line(tmp_path, caplog):
    good = {"prompt": "2+3=", "chosen": " 5", "rejected": " 6"}
    path = tmp_path / "pairs.jsonl"
    write_lines(path, good, {"prompt": "Q"}, good, 7, good)
    message = r"line 2: .*\(2 of 5 records are malformed: line 2, line 4; .*on_malformed='skip'"
    with pytest.raises(ValueError, match=message):
        read_pairs(path)
    with caplog.at_level(logging.WARNING):
        assert read_pairs(path, "skip") == (Pair("2+3=", " 5", " 6"),) * 3
    (record,) = caplog.records
    told = record.getMessage()
    assert "2 of 5 records are malformed and left out" in told
    assert "line 2: expected a text 'chosen'" in told and "line 4: expected a JSON object" in told


def test_nothing_is_trained_on_a_file_of_faults(tmp_path):
    write_lines(tmp_path / "pairs.jsonl", 7)
    with pytest.raises(ValueError, match="1 of 1 records"):
        read_pairs(tmp_path / "pairs.jsonl", "skip")
    with pytest.raises(ValueError, match="on_malformed is 'ignore'"):
        read_pairs(tmp_path / "pairs.jsonl", "ignore")


def test_a_conversation_is_written_by_the_template():
    letters = CharTokenizer("+=?0123456789 abcdefghijklmnopqrstuvwxyzAW.")
    template = ChatTemplate("{% for m in messages %}{{ m.role[0] }}{{ m.content }}{% endfor %}=")
    pair = Pair("3+3", "6", "5", prefix="so ", turns=(("user", "1+1"), ("assistant", "2")))
    ids = encode_pair(ChatTokenizer(letters, template, system="add"), pair)
    assert letters.decode(ids.context) == "saddu1+1a2u3+3=so "
    own = Pair("3+3", "6", "5", turns=(("system", "sum"),))
    ids = encode_pair(ChatTokenizer(letters, template, system="add"), own)
    assert letters.decode(ids.context) == "ssumu3+3="
    with pytest.raises(ValueError, match=r"conversation of 3 messages; set chat\.template"):
        encode_pair(letters, pair)


def test_single_responses(tmp_path):
    write_lines(
        tmp_path / "singles.jsonl",
        {"prompt": "2+3=", "completion": " 5", "label": True},
        {
            "prompt": messages(*EARLIER, USER),
            "completion": messages(("assistant", "6")),
            "label": False,
            "source": "x",
        },
    )
    assert read_singles(tmp_path / "singles.jsonl") == (
        Single("2+3=", " 5", True),
        Single("What is 2+3?", "6", False, "x", EARLIER),
    )


@pytest.mark.parametrize(
    "record, fault",
    [
        ({"prompt": "Q", "completion": "a", "label": 1}, "true or false as 'label', got 1"),
        ({"prompt": "Q", "completion": " ", "label": True}, "the completion is empty"),
        ({"completion": "a", "label": True}, "expected a text 'prompt'"),
        (
            {"prompt": "Q", "completion": messages(USER), "label": True},
            r"'completion' has messages with roles \['user'\]",
        ),
    ],
)
def test_broken_singles_are_named_by_their_line(tmp_path, record, fault):
    write_lines(tmp_path / "singles.jsonl", record)
    with pytest.raises(ValueError, match=rf"singles\.jsonl, line 1: .*{fault}"):
        read_singles(tmp_path / "singles.jsonl")


def test_pairs_taken_apart():
    pairs = [Pair("Q", "a", "b", source="x", turns=EARLIER), Pair("R", "c", "d", "e")]
    assert unpaired(pairs) == (
        Single("Q", "a", True, "x", EARLIER),
        Single("Q", "b", False, "x", EARLIER),
        Single("R", "ec", True),
        Single("R", "ed", False),
    )
    with pytest.raises(ValueError, match="judged as a whole"):
        unpaired([Pair("Q", "a", "b", complete=False)])


def test_scored_responses(tmp_path):
    write_lines(
        tmp_path / "scored.jsonl",
        {"prompt": "Q", "responses": ["a", "b"], "scores": [1, 2.5]},
        {"instruction": "Q", "completions": [{"response": "a", "overall_score": 4}]},
    )
    assert read_scored(tmp_path / "scored.jsonl") == (
        Scored("Q", ("a", "b"), (1.0, 2.5)),
        Scored("Q", ("a",), (4.0,)),
    )
