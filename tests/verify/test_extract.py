import time

import pytest

from reasoning_jax.verify import after_hashes, after_think, boxed, extract, last_number, stated


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"so \boxed{3}", "3"),
        (r"\boxed{1}, rather \boxed{ \frac{1}{2} }.", r"\frac{1}{2}"),
        (r"\boxed{\boxed{7}}", "7"),  # the innermost of nested boxes
        (r"\boxed{1} and, cut off, \boxed{2", "1"),  # the last balanced one
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),  # escaped braces do not count
        (r"\fbox{1} \fboxed {2}", "2"),
        (r"\\boxed{-3}", "-3"),  # a backslash escaped once too often
        (r"\boxed{}", ""),
        ("no box {3}", None),
        ("} boxed{3}", None),
    ],
)
def test_boxed_takes_the_last_balanced_box(text, content):
    assert boxed(text) == content


def test_other_policies_find_their_own_mark_only():
    assert after_hashes("a\n#### 1\nb\n#### 1,200 \nc") == "1,200"
    assert after_hashes("72") is None
    assert stated("The answer is 4. Wait. The final answer is $5$. I hope it is correct.") == "$5$"
    assert stated("The final answer is 3.5. I am sure the answer is right.") == "3.5"
    assert stated("the ANSWER IS: 12\nbye") == "12"
    assert stated("Final Answer: The final answer is $5$. I hope it is correct.") == "$5$"
    assert stated("Step 1\nFinal answer: 42") == "42"
    assert stated("12") is None
    assert after_think("<think>a</think>b</think> c") == " c"
    assert after_think("c") is None
    assert last_number("from 3 to -1,250.5 apples") == "-1,250.5"
    assert last_number("none") is None


def test_extract_prefers_the_box_and_reads_after_the_thought():
    assert extract(r"#### 1 \boxed{2} the answer is 3") == "2"
    assert extract("#### 1\nthe answer is 3") == "1"
    assert extract(r"<think>\boxed{4}</think> the answer is 5") == "5"
    assert extract("6") is None
    assert extract("is it 6?", (boxed, last_number)) == "6"


@pytest.mark.parametrize(
    "text",
    [r"\boxed{" * 100_000, "{" * 500_000, "answer is " * 50_000, "#### " * 50_000, " " * 500_000],
)
def test_policies_are_linear(text):
    start = time.perf_counter()
    for policy in (boxed, after_hashes, stated, after_think, last_number):
        policy(text)
    assert time.perf_counter() - start < 3
