import pytest

from reasoning_jax.sampling.stops import before_stop
from reasoning_jax.serving.text import certain, offsets, pieces, spelled
from reasoning_jax.text import train_bpe


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("abc", ["d"], None),
        ("abcabc", ["ca", "b"], "a"),
        ("abc", ["abc"], ""),
    ],
)
def test_before_stop(text, stops, expected):
    assert before_stop(text, stops) == expected


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("abc", [], "abc"),
        ("answer\n", ["\n\n"], "answer"),
        ("abab", ["abac"], "ab"),  # not only the last character may belong to a stop
        ("xab", ["abc", "b!"], "x"),
        ("caf\N{REPLACEMENT CHARACTER}", [], "caf"),
    ],
)
def test_certain_holds_back_what_may_change(text, stops, expected):
    assert certain(text, stops) == expected


def test_pieces_join_to_the_text_and_offsets_count_characters(tmp_path):
    tokenizer = train_bpe(["one two three"] * 5, 300, tmp_path)
    text = "two café threes 12"
    ids = [*tokenizer.encode(text), tokenizer.eos_id]
    parts = pieces(tokenizer, ids)
    assert parts[-1] == "" and spelled(tokenizer, tokenizer.eos_id).startswith("token_id:")
    # The é is two tokens: the first shows that something comes, as decoding the prefix does.
    assert len("".join(parts)) == len(text)
    assert offsets(["two", " ", "x"], 3) == [3, 6, 7]
