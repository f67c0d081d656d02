"""Laws of equivalence, on drawn expressions and on every gold answer at hand."""

import itertools
import json
import pathlib

import hypothesis
import pytest
import sympy
from hypothesis import strategies as st

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify import boxed, judge
from reasoning_jax.verify.answers import judge_symbolically

X, Y = sympy.symbols("x y")
coefficients = st.lists(st.integers(-9, 9), min_size=2, max_size=3).filter(lambda c: any(c[1:]))
settings = hypothesis.settings(max_examples=20, deadline=None, derandomize=True)


def decide(answer: str, gold: str) -> bool | None:
    verdict = judge(answer, gold)
    if isinstance(verdict, Check):
        verdict = verdict.function(*verdict.args)
    return verdict.correct


def polynomial(values: list[int], symbol: sympy.Symbol) -> sympy.Expr:
    return sum((c * symbol**power for power, c in enumerate(values)), sympy.Integer(0))


@settings
@hypothesis.given(coefficients, coefficients, coefficients)
def test_algebraic_rewritings_are_equal(a, b, c):
    expression = polynomial(a, X) * polynomial(b, Y) / (polynomial(c, X) + 100)
    gold = sympy.latex(expression)
    for rewrite in (sympy.expand, sympy.factor, sympy.together, lambda e: sympy.apart(e, X)):
        assert decide(sympy.latex(rewrite(expression)), gold) is True, (gold, rewrite)
    assert decide(str(sympy.expand(expression)), gold) is True


@settings
@hypothesis.given(coefficients, coefficients, st.data())
def test_one_changed_coefficient_breaks_equality(a, b, data):
    expression = polynomial(a, X) + polynomial(b, Y) * X
    position = data.draw(st.integers(0, len(a) - 1))
    changed = [
        c + (i == position) * data.draw(st.sampled_from((-1, 1, 7))) for i, c in enumerate(a)
    ]
    other = polynomial(changed, X) + polynomial(b, Y) * X
    assert decide(sympy.latex(other), sympy.latex(expression)) is False


@settings
@hypothesis.given(st.integers(2, 50), st.integers(1, 40), st.integers(1, 40), st.integers(2, 9))
def test_constants_equal_their_rewritings_and_twelve_digits(radicand, a, b, c):
    value = (a + b * sympy.sqrt(radicand)) / c
    gold = sympy.latex(value)
    assert decide(sympy.latex(sympy.radsimp(1 / (1 / value))), gold) is True
    assert decide(str(value.evalf(40)), str(value)) is True
    if not value.is_integer:
        assert decide(str(value.evalf(12)), gold) is True
    assert decide(sympy.latex(value + sympy.Rational(1, 10**9)), gold) is False


@settings
@hypothesis.given(
    st.permutations([1, -2, 3, 5]), st.sampled_from([("(", ")"), (r"\{", r"\}"), ("", "")])
)
def test_order_counts_in_tuples_only(items, brackets):
    opening, closing = brackets
    gold = f"{opening}1, -2, 3, 5{closing}"
    answer = f"{opening}{', '.join(map(str, items))}{closing}"
    assert decide(answer, gold) is (opening != "(" or list(items) == [1, -2, 3, 5])
    assert decide(answer, answer) is True


NUMERALS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.fractions(max_denominator=60).map(lambda f: rf"\frac{{{f.numerator}}}{{{f.denominator}}}"),
    st.decimals(-999, 999, places=1).map(str),
)


@settings
@hypothesis.given(NUMERALS, NUMERALS)
def test_numbers_are_reflexive_and_symmetric(a, b):
    assert decide(a, a) is True
    assert decide(a, b) is decide(b, a)


ALPHABET = [
    *(
        r"\frac",
        r"\sqrt",
        r"\pm",
        r"\left",
        r"\right",
        r"\cup",
        r"\le",
        r"\text",
        r"\begin",
        r"\in",
    ),
    *(r"\boxed", r"\infty", r"\{", r"\}", r"\\", "matrix", " and ", " or ", "answer is ", "####"),
    *"0123456789abxyfn(){}[]<>=+-*/^_|,.;:!%$&' \n\t\\\x00é√≤π②٣\ud800",
]


def test_ten_thousand_random_strings_are_judged():
    import random

    draw = random.Random(0)
    texts = ["".join(draw.choices(ALPHABET, k=draw.randint(1, 24))) for _ in range(10_000)]
    for text, other in itertools.pairwise(texts):
        for answer, gold in ((text, other), (text, "3"), (text, r"(1, \sqrt{2})")):
            verdict = judge(answer, gold)
            assert isinstance(verdict, (Verdict, Check))


def golds(folder: pathlib.Path) -> set[str]:
    """The gold answers of all JSON files under a folder."""
    found = set()
    for path in sorted(folder.rglob("*.json*")):
        if path.suffix == ".gz":
            continue
        text = path.read_text()
        rows = map(json.loads, text.splitlines()) if path.suffix == ".jsonl" else json.loads(text)
        for row in rows:
            if not isinstance(row, dict):
                continue
            answers = next((row[key] for key in ("final_answer", "answer") if key in row), None)
            if answers is None and (inside := boxed(str(row.get("solution", "")))):
                answers = inside
            many = answers if isinstance(answers, list) else [answers]
            found |= {str(answer) for answer in many if answer not in (None, "")}
    return found


SETS = ("math500", "math_train", "qwen_eval", "gsm8k", "aime", "pal", "svamp")


def assert_reflexive(gold: str) -> None:
    assert judge(gold, gold).correct is True, gold
    # Blanks keep the string tier from deciding: the forms and the values have to.
    respelled = f" ${gold} $ " if "$" not in gold else f" {gold} "
    verdict = judge_symbolically(respelled, gold)
    assert verdict.correct is True or len(gold) > 300, (gold, verdict)


@pytest.mark.parametrize("name", SETS)
def test_some_golds_equal_themselves(name, data_folder):
    for gold in sorted(golds(data_folder(name)))[::40]:
        assert_reflexive(gold)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_every_gold_equals_itself(name, data_folder):
    for gold in golds(data_folder(name)):
        assert_reflexive(gold)
