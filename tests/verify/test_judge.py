r"""Equivalence by type. Every row was worked by hand; a comment says why where it is a policy."""

import dataclasses

import pytest

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify import judge


def decide(answer: str | None, gold: str, tolerance: float = 0.0) -> Verdict:
    verdict = judge(answer, gold, tolerance)
    return verdict.function(*verdict.args) if isinstance(verdict, Check) else verdict


EQUAL = {
    "numbers": [
        ("1000", "1{,}000"), ("0.5", r"\frac{1}{2}"), ("1\\frac12", "1.5"), ("1 1/2", "3/2"),
        ("0.\\overline{3}", "1/3"), ("3 \\times 10^8", "300000000"), ("four", "4"), ("12th", "12"),
        ("-\\frac{1}{2}", "\\frac{-1}{2}"), ("2^{100}", "1267650600228229401496703205376"),
        ("1,22", "1.22"), ("0,111", "0.111"), ("\\$5.50", "5.5"), ("10!", "3628800"),
        ("7425000", "7 425 000"), ("1/6", "0.1666..."), ("4/33", "0.1212..."),
        ("-1 \\frac{1}{2}", "-1.5"),
    ],
    "stated precision": [
        ("85.71", r"\frac{600}{7}"), ("21.93", r"21 \frac{13}{14}"), ("6.01", r"6 \frac{1}{64}"),
        (r"6.67\%", r"\frac{1}{15}"), (r"41.4\%", r"\sqrt{2}-1"),
        (r"\frac{1}{12}", "0.083333333333"), (r"\sqrt{2}", "1.414213562373"),
    ],
    "percent": [("50%", "0.5"), ("50", "50%"), ("0.135", "13.5\\%"), ("28\\%", "28 percent")],
    "expressions": [
        (r"\sqrt{8}", r"2\sqrt{2}"), (r"\frac{\sqrt3}{3}", r"\frac{1}{\sqrt{3}}"),
        ("n(n+1)/2", r"\frac{n^2+n}{2}"), (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"),
        (r"\sin^2 x", r"1-\cos^2 x"), (r"\ln(x^2)", r"2\ln x"), ("sqrt(2)/2", r"\frac{\sqrt2}{2}"),
        ("x**2+1", "x^2+1"), ("pi/4", r"\frac{\pi}{4}"), (r"\sqrt[3]{-8}", "-2"),
        ("i", r"\sqrt{-1}"), (r"\frac{1+i}{2}", "0.5+0.5i"), (r"\frac{x^2-1}{x-1}", "x+1"),
        ("\\lg 100", "2"), (r"\sqrt{x}\sqrt{y}", r"\sqrt{xy}"), ("log_2 8", "3"),
        ("f(-3/4) + 1", r"1 + f(-\frac{3}{4})"),
        (r"\frac{\log 2}{\log 2 - \log 3}", r"-\frac{\ln 2}{\ln 3 - \ln 2}"),
    ],
    "labels": [
        ("x=3", "3"), ("3", "x=3"), ("11", r"x \approx 11"), ("|AB|=1", "1"),
        ("x = 1/3", "x=1+2=1/3"),
        ("f(x)=2x+1", "f(t)=2t+1"), ("f(x)=2x+1", "2x+1"), ("S_n = n^2", "n^2"),
        (r"f(x)=1", r"f(x) = 1 \text{ for all } x \in \mathbb{Q}_{>0}"),
    ],
    "equations": [
        ("y=2x+1", "2x-y+1=0"), ("2x-4y=6", "x-2y=3"), ("x^2+y^2=4", "2x^2+2y^2=8"),
        ("y + 1 = -(2x - 1)^2", "-4x^2 + 4x - 2"), ("34x+45y-20z+100=0", "-34x-45y+20z-100=0"),
    ],
    "tuples and sets": [
        ("1,2,3", r"\{3,2,1\}"), ("(1,2),(3,4)", "(3,4),(1,2)"), (r"\pm 3", "3,-3"),
        (r"2\pm\sqrt3", r"2+\sqrt{3},2-\sqrt3"), ("19, 46, and 82", "82, 19 and 46"),
        ("-12;-11", r"\{-11, -12\}"), ("(1,2)", "1,2"), ("(11,7)or(7,11)", r"(7,11),\ (11,7)"),
        ("x=1,y=2", "(1,2)"), ("x=1,y=2", "y=2,x=1"), ("2,3", "x=3 or x=2"),
        ("p=5,q=2;p=7,q=2", "(5,2),(7,2)"), ("2,-1,-18", "a=2, h=-1, k=-18"),
        ("7,14,18", "Paolo: 18, Qing: 14, Rayna: 7"), ("1,2,3", "(x, y, z) = (1, 2, 3)"),
        ("x = 2, x = -3", "-3, 2"), (r"\begin{cases}x=1\\y=2\end{cases}", "(1,2)"),
        (r"x_{1}=1+\sqrt{5},x_{2}=1-\sqrt{5}", r"1-\sqrt{5}, 1+\sqrt{5}"),
    ],
    "intervals": [
        ("x>2", r"(2,\infty)"), (r"(2,\infty)", "x>2"), ("2<x<3", "3>x>2"),
        (r"[\frac12,8]", "0.5 ≤ x ≤ 8"),
        ("x<1 or x>3", r"(-\infty,1)\cup(3,\infty)"), (r"\mathbb{R}", r"(-\infty,\infty)"),
        (r"x\ne 3", r"(-\infty,3)\cup(3,\infty)"), (r"\{x|-2<x<3\}", "(-2, 3)"),
        (r"\{x | x < \frac{3}{2}\} - \{-6\}", r"(-\infty,-6)\cup(-6,\frac{3}{2})"),
        (r"1\le|z|\le \frac32", r"[-\frac32,-1]\cup[1,\frac32]"), ("[-4/2, 0.5]", r"[-2, \frac12]"),
        ("|x| < 2", "(-2,2)"), ("|x|>1", r"(-\infty,-1)\cup(1,\infty)"), ("x>0 and x<5", "(0,5)"),
        ("all real numbers", r"\mathbb{R}"),
    ],
    "inequalities": [("x>2", "2<x"), ("x>2", "-x<-2"), ("x>2", "2x>4"), ("x <= 1", "-x >= -1")],
    "matrices": [
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&\frac82\end{bmatrix}"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
        (
            r"\begin{pmatrix}4\\6\end{pmatrix}",
            r"\begin{pmatrix}1\\2\end{pmatrix}+\begin{pmatrix}3\\4\end{pmatrix}",
        ),
        ("3", r"\begin{vmatrix} 2 & 1 \\ 1 & 2 \end{vmatrix} = 3"),
    ],
    "choices": [("A", "(A)"), ("A", r"\text{a}"), ("B", "(B) 12"), ("(D) Alina", "D")],
    "bases": [("12_5", "12_{5}"), ("101_2", "(101)_2"), ("101_{2}", r"101_{\text{two}}")],
    "ratios": [("3:2", "6:4"), ("2:1", "2"), ("1 : (4/3)", r"\frac34"), (r"\frac12", "1:2")],
    "units": [
        ("5 cm", "5"), ("5", "5 cm"), (r"5\text{ cm}", "5 centimeters"), ("90^\\circ", "90"),
        ("90^\\circ", r"\frac{\pi}{2}"), (r"15\mbox{ cm}^2", r"15 \text{ cm}^{2}"),
        ("0.64N", r"\frac{16}{25}N"), (r"3\text{ m}^2", "3"), (r"\frac12\text{ g}", "0.5"),
        (r"2\mathrm{m}+1", "2m+1"), (r"\tan 45^\circ", "1"),
    ],
    "text": [
        ("Evelyn", r"\text{evelyn}"), (r"\text{4:30 p.m.}", r"4:30 \text{ p.m.}"),
        ("infinitely many", r"\infty"), (r"\emptyset", r"\{\}"),
    ],
    "parameters": [(r"\frac{\pi}{6}+k\pi", r"\frac{\pi}{6}+n\pi, n\in\mathbb{Z}")],
}  # fmt: skip

DIFFERENT = {
    "numbers": [
        ("20000", "20001"), ("1", "100"), ("7", "-7"), ("1/3", "0.333"), ("0.5", "0.54"),
        (r"\frac{1}{2^{99}}", r"\frac{1}{2^{98}}"), ("10^{100}+1", "10^{100}"), ("0", "10^{-40}"),
        ("2^{200}+1", "2^{200}"), ("10^{-40}", "10^{-41}"), ("2", "1.9999999"), ("1 2", "12"),
        ("3,4", "3.4"), ("32349", "32, 349"), ("0.05", "1/18"), (r"\pi", "3.14"),
        ("1/3", "0.1212..."),
        (r"\sqrt{2}", "1.41"), ("100!", "100!+1"), ("3.14", "3.1"), ("50%", "0.005"),
    ],
    "expressions": [
        ("x", "y"), ("|x|", "x"), (r"\sqrt{x^2}", "x"), ("(a+5)(b+2)", "(+5)(b+2)"), ("5", "5x"),
        (r"\log_2 3", r"\log_3 2"), ("f(x)", "f(y)"), ("a_1", "a_2"), ("2+3i", "2-3i"),
        ("x+2n+1", "x+1"), (r"k\pi", r"2k\pi"), ("x^2", "x^2+0.0000000001"),
        (r"\sqrt{x+y}", r"\sqrt{x}+\sqrt{y}"), (r"2\ln 3", r"\ln 6"), ("(a-b)^2", "a^2-b^2"),
    ],
    "labels": [("x=1", "x=2"), ("x=1,y=2", "x=2,y=1"), ("f(x)=x+1", "f(x)=x+2")],
    "equations": [
        ("2x+3y=5", "3x+2y=5"), ("x+y=1", "x-y=1"), ("x - y + z + 2 = 0", "5x - 7y + 11z + 4 = 0"),
        ("a+3z=0", "0"), ("2x+z=1", "1"), ("7=11a+c", "11a+c"), ("7", "2x+3=7"), ("4", "3=4=5"),
    ],
    "tuples and sets": [
        (r"1331 and 1728", "1728"), ("(1,2)", r"\{1,2\}"), (r"\{1,2\}", "(1,2)"),
        ("(1,2)", "(2,1)"),
        ("1,2", "1,2,3"), ("1,2,3", "1,2"), (r"\pm 3", "3"), ("3", "3 or 4"), ("3", "3, 4"),
        (r"\pm 2021", "2021"), ("(1,0),(0.01,-8),(100,8)", "(1, 0), (100, 8)"),
    ],
    "intervals": [
        ("[1,2]", "(1,2)"), ("(1,2]", "[1,2)"), (r"x>2", r"x\ge 2"), ("1", "-[0,1)"), ("x>2", "2"),
        (r"(-\infty,1)", r"(-\infty,1]"), (r"\mathbb{R}", r"(0,\infty)"), (r"\infty", r"-\infty"),
        (r"[-5,1]\cup[3,9]", r"[-5,1]\cup[3,8]"),
    ],
    "inequalities": [("x>2", "x<2"), ("x>2", "y>2"), ("2x>y", "y>2x")],
    "matrices": [
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}"),
        (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    ],
    "choices": [("A", "B"), ("C", "D) foo"), ("d", r"\text{E}")],
    "bases": [("52", "52_8"), ("52_8", "42"), ("1112112_3", "1112122_3"), ("12_5", "12_6")],
    "ratios": [("2:3", "3:2"), ("1:2:3", "1:2:4"), ("12:00", "1:00"), ("2:1", "1")],
    "units": [(r"5\text{ cm}", r"5\text{ m}"), ("0.64N", "0.64"), ("5", r"\text{not }5")],
    "text": [("yes", "no"), ("odd", "even"), ("no solution", "0")],
    "parameters": [(r"\frac{\pi}{6}+k\pi", r"\frac{\pi}{6}")],
}  # fmt: skip


def rows(table):
    return [
        pytest.param(gold, answer, id=f"{kind}: {gold} / {answer}")
        for kind, pairs in table.items()
        for gold, answer in pairs
    ]


@pytest.mark.parametrize(("gold", "answer"), rows(EQUAL))
def test_equal_answers(gold, answer):
    verdict = decide(answer, gold)
    assert verdict.correct is True, verdict
    assert decide(answer, answer).correct is True


@pytest.mark.parametrize(("gold", "answer"), rows(DIFFERENT))
def test_different_answers(gold, answer):
    assert decide(answer, gold).correct is False


# Where the order counts, and why.
ONE_WAY = {
    ("85.71", r"\frac{600}{7}"): "the gold states its precision; an answer of four digits does not",
    ("21.93", r"21 \frac{13}{14}"): "as above",
    ("6.01", r"6 \frac{1}{64}"): "as above",
    (r"6.67\%", r"\frac{1}{15}"): "as above",
    (r"41.4\%", r"\sqrt{2}-1"): "as above",
    ("y + 1 = -(2x - 1)^2", "-4x^2 + 4x - 2"): "an equation answers more than a formula asks for",
    ("7,14,18", "Paolo: 18, Qing: 14, Rayna: 7"): "bare answers to labels come in their order",
    (r"A", r"\text{a}"): "a small letter is a choice only where the gold is one",
    (
        r"\begin{pmatrix}4\\6\end{pmatrix}",
        r"\begin{pmatrix}1\\2\end{pmatrix}+\begin{pmatrix}3\\4\end{pmatrix}",
    ): "a gold sum of matrices is no form of an answer",
    ("3", r"\begin{vmatrix} 2 & 1 \\ 1 & 2 \end{vmatrix} = 3"): "the gold asks for an equation",
    ("1,2,3", "(x, y, z) = (1, 2, 3)"): "a tuple has an order, a bare list none",
}


@pytest.mark.parametrize(("gold", "answer"), rows(EQUAL))
def test_symmetric_but_for_declared_cases(gold, answer):
    mirrored = decide(gold, answer).correct
    assert mirrored is True or (gold, answer) in ONE_WAY


def test_cheap_tiers_need_no_worker():
    for answer, gold, reason in (
        ("7", "7", "exact"), ("7.0", "7", "rational"), ("8", "7", "different"),
        ("B", "A", "different"),
        ("(C)", "C", "choice"), ("2, 1", r"\{1,2\}", "typed"), ("(1, 2)", "(1,3)", "different"),
        ("x > 2", r"(2, \infty)", "typed"), ("seven apples", "8", "different"),
        ("", "7", "no_answer"),
        ("0.6667", "0.667", "rounded"), ("7", " ", "empty_gold"), ("(1", "(2", "unparsed_gold"),
        ("(1", "2", "unparsed_answer"), ("(1 +x", "( 1+x", "spelled"),
    ):  # fmt: skip
        verdict = judge(answer, gold)
        assert isinstance(verdict, Verdict) and verdict.reason == reason, (answer, gold, verdict)


def test_what_needs_algebra_is_a_check_for_a_worker():
    check = judge("x+1", "1+x")
    assert isinstance(check, Check)
    assert dataclasses.asdict(check)["args"] == ("x+1", "1+x", 0.0)
    assert check.function(*check.args).reason == "symbolic"


@pytest.mark.parametrize("gold", [r"\int_0^1 x^x dx", r"10^{10^{10}}", r"\sum_{n=0}^{\infty} x^n"])
def test_golds_that_are_not_evaluated_cannot_be_judged(gold):
    assert decide("x+1", gold).correct is None
    assert decide(gold.replace(" ", "  "), gold).correct is True


def test_a_tolerance_is_absolute():
    assert decide("0.6054", r"\cos^{10}(\frac{\pi}{10})").correct is False
    assert decide("0.6054", r"\cos^{10}(\frac{\pi}{10})", 1e-4).correct is True
    assert decide(r"7.1 \cdot 10^{35}", r"7 \times 10^{35}", 1e34).correct is True
    assert decide(r"7.1 \cdot 10^{35}", r"7 \times 10^{35}", 1e33).correct is False


@pytest.mark.parametrize(
    "spellings",
    [
        ("0.5", "1/2", r"\frac12", r"$\dfrac{1}{2}$"),
        (r"\{1, 2\}", r"\{2,1\}", r"$\{ 2 , 1 \}$"),
        ("(1, 2)", r"\left(1,\frac{4}{2}\right)"),
        ("x = 3", "3", "3.0"),
        (r"5\text{ cm}", "5"),
        ("Evelyn", r"\text{evelyn}"),
    ],
)
def test_equal_answers_are_spelled_alike_for_votes(spellings):
    assert len({judge(spelling, "(9, 9, 9)").extracted for spelling in spellings}) == 1
