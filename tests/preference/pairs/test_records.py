import json

import pytest

from reasoning_jax.preference.pairs import Pair, read_pairs, write_pairs


def messages(*turns):
    return [{"role": role, "content": content} for role, content in turns]


USER = ("user", "What is 2+3?")


@pytest.mark.parametrize(
    "record, pair",
    [
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
    ],
)
def test_layouts(tmp_path, record, pair):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(record) + "\n")
    assert read_pairs(path) == (pair,)


@pytest.mark.parametrize(
    "record, fault",
    [
        ({"prompt": "Q", "chosen": "a"}, "expected a text 'rejected', got None"),
        ({"prompt": "Q", "chosen": "a", "rejected": "a"}, "there is no preference"),
        ({"prompt": " ", "chosen": "a", "rejected": "b"}, "the prompt is empty"),
        ({"chosen": "ab", "rejected": "ac"}, "the prompt is empty"),
        (
            {"chosen": messages(USER, ("assistant", "5")), "rejected": messages(USER)},
            r"roles \['user'\]",
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
    )
    write_pairs(tmp_path / "pairs.jsonl", pairs)
    assert read_pairs(tmp_path / "pairs.jsonl") == pairs
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]
