"""Stop strings, by comparison with a search of the whole text after every token."""

import numpy as np
import pytest

from reasoning_jax.sampling.stops import StopSearch, ids_of_stops


class Pieces:
    """A tokenizer whose ids spell these pieces; the space that begins a text is dropped."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.decoded = 0

    def decode(self, ids):
        self.decoded += len(ids)
        return "".join(self.pieces[i] for i in ids).removeprefix(" ")


PIECES = ["a", "b", "ab", "", " a", "ba b", "\n", "bb"]


def first_stop(tokenizer, tokens, stops):
    for count in range(1, len(tokens) + 1):
        if any(stop in tokenizer.decode(tokens[:count]) for stop in stops):
            return count
    return None


@pytest.mark.parametrize("stops", [("bba",), ("a a b", "bbb"), ("\n\n",), ("abababab",), ()])
@pytest.mark.parametrize("seed", range(4))
def test_chunks_of_any_size_find_what_a_search_of_everything_finds(stops, seed):
    random = np.random.default_rng(seed)
    tokenizer = Pieces(PIECES)
    tokens = random.choice(8, 400, p=[0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.05, 0.05]).tolist()
    expected = first_stop(tokenizer, tokens, stops)
    search, count, found = StopSearch(tokenizer, stops), 0, None
    while count < len(tokens) and found is None:
        count = min(count + int(random.integers(1, 17)), len(tokens))
        found = search.find(tokens[:count])
    assert found == expected


def test_only_the_tail_of_a_text_is_decoded():
    tokenizer = Pieces(["x"])
    search = StopSearch(tokenizer, ("end",))
    for count in range(16, 4096, 16):
        assert search.find([0] * count) is None
    assert tokenizer.decoded < 4096 / 16 * 100


def test_stops_of_one_token(make_tokenizer):
    tokenizer = make_tokenizer()
    assert ids_of_stops(tokenizer, ("a", "ab", "Q", "=")) == tokenizer.encode("a=")
