"""Values cross the border unchanged, and nothing but values does."""

import collections
import enum
import json
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning_jax.verify.programs.inside import codec

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.fractions()
    | st.decimals(allow_nan=False)
)
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.booleans())
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.dictionaries(KEYS, inner)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_values_come_back_with_their_types(value):
    back = codec.loads(codec.dumps(value))
    assert repr(_sorted(back)) == repr(_sorted(value))


def _sorted(value):
    """Sets in one order, for their repr depends on how they were filled."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_sorted, value))
    if isinstance(value, (set, frozenset)):
        return (type(value).__name__, sorted(map(repr, value)))
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in value.items()}
    return value


def test_special_numbers():
    assert math.isnan(codec.loads(codec.dumps(math.nan)))
    assert codec.loads(codec.dumps([math.inf, -math.inf])) == [math.inf, -math.inf]
    huge = 3**100_000  # longer than int() reads in decimal
    assert codec.loads(codec.dumps(-huge)) == -huge


class Colour(enum.IntEnum):
    RED = 3


class Liar(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, 3),
        (Liar(7), 7),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.namedtuple("P", "x y")(1, 2), (1, 2)),
        (collections.defaultdict(int, a=1), {"a": 1}),
    ],
)
def test_subclasses_are_cut_down_to_what_they_hold(value, plain):
    back = codec.loads(codec.dumps(value))
    assert back == plain and type(back) is type(plain)


def test_numpy_scalars_are_plain_numbers():
    numpy = pytest.importorskip("numpy")
    values = [numpy.int64(3), numpy.float32(0.5), numpy.bool_(True)]
    assert codec.dumps(values) == "[3, 0.5, true]"
    with pytest.raises(codec.Unsupported):
        codec.dumps(numpy.arange(2))


@pytest.mark.parametrize("value", [object(), len, iter(()), (i for i in ())])
def test_other_objects_are_refused(value):
    with pytest.raises(codec.Unsupported):
        codec.dumps(value)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"a": 1, "b": 2},
        {"nothing": 1},
        {"set": 5},
        {"set": [[]]},
        {"dict": [1]},
        {"dict": [[[], 1]]},
        {"int": 5},
        {"int": "zz"},
        {"fraction": [1, 0]},
        {"fraction": ["a", "b"]},
        {"complex": [1]},
        {"decimal": "x"},
        {"bytes": 1},
        {"bytes": "0"},
    ],
)
def test_forged_data_is_a_value_error(data):
    with pytest.raises(ValueError, match="not a packed"):
        codec.unpack(data)


def test_depth_is_a_value_error():
    with pytest.raises(ValueError, match="deep"):
        codec.loads("[" * 100_000 + "]" * 100_000)
    assert Decimal("1.50") == codec.loads(codec.dumps(Decimal("1.50")))
    assert json.loads(codec.dumps(Fraction(1, 3))) == {"fraction": [1, 3]}
