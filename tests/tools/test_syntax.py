import pytest

from reasoning_jax.tools import Syntax

BRACES = Syntax("{", "}", "", ";")


def test_the_argument_of_a_call_is_what_follows_its_last_start():
    assert Syntax().argument("so <tool>2+2") == "2+2"
    assert Syntax().argument("<tool>1<tool>\n2 ") == "\n2 "
    assert Syntax().argument("<tool>") == ""
    assert Syntax().argument("2+2") is None


def test_split_by_hand():
    assert BRACES.split("{2*3}6;{6+1}7;=7") == [("{2*3}", "6"), ("{6+1}", "7"), ("=7", None)]
    text = "a<tool>1</tool><result>2\n3</result>b<tool>4</tool><result></result>"
    assert Syntax().split(text) == [("a<tool>1</tool>", "2\n3"), ("b<tool>4</tool>", "")]


@pytest.mark.parametrize("text", ["", "=7", "6;7;", "{2*3}", "{2*3} 6"])
def test_without_a_result_everything_is_written_by_the_policy(text):
    assert BRACES.split(text) == [(text, None)]


def test_a_result_stands_right_behind_its_call():
    assert Syntax().split("<tool>1</tool> <result>2</result>") == [
        ("<tool>1</tool> <result>2</result>", None)
    ]


@pytest.mark.parametrize("empty", ["call_start", "call_end", "result_end"])
def test_delimiters_must_mark_something(empty):
    with pytest.raises(ValueError, match=f"syntax.{empty} is empty"):
        Syntax(**{empty: ""})


def test_start_and_end_of_a_call_differ():
    with pytest.raises(ValueError, match="both '`'"):
        Syntax("`", "`")
