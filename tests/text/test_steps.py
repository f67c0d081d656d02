import pytest

from reasoning_jax.text import split_numbered_steps, split_steps


@pytest.mark.parametrize(
    "text, separator, steps",
    [
        ("", "\n", ()),
        ("one", "\n", ("one",)),
        ("a\nb\nc", "\n", ("a\n", "b\n", "c")),
        ("a\nb\n", "\n", ("a\n", "b\n")),
        ("a\n\n\nb", "\n", ("a\n\n\n", "b")),  # a run of separators ends one step
        ("\n\na\nb", "\n", ("\n\na\n", "b")),  # at the start it belongs to the first
        ("\n\n", "\n", ("\n\n",)),
        ("a\nb\n\nc", "\n\n", ("a\nb\n\n", "c")),
        ("1+1. so 2.", ". ", ("1+1. ", "so 2.")),  # literal: the dot is no pattern
        ("x<step>y<step>", "<step>", ("x<step>", "y<step>")),
    ],
)
def test_split_steps(text, separator, steps):
    assert split_steps(text, separator) == steps
    assert "".join(steps) == text


def test_newline_is_the_default():
    assert split_steps("a\nb") == ("a\n", "b")


def test_empty_separator():
    with pytest.raises(ValueError, match="separator of steps is empty"):
        split_steps("ab", "")


@pytest.mark.parametrize(
    "text, steps",
    [
        ("", ()),
        ("no marker", ("no marker",)),
        ("Step 1: a\nStep 2: b\n", ("Step 1: a\n", "Step 2: b\n")),
        ("Let's see. Step 1: a Step 2: b", ("Let's see. Step 1: a ", "Step 2: b")),
        # a mention is out of turn
        ("Step 1: a\nStep 2: by Step 1: b", ("Step 1: a\n", "Step 2: by Step 1: b")),
        # a continuation counts from where it starts; 9 is followed by 10
        ("Step 9: a\nStep 10: b\nStep 12: c", ("Step 9: a\n", "Step 10: b\nStep 12: c")),
        ("MisStep 1: a\nStep 1: b", ("MisStep 1: a\nStep 1: b",)),
    ],
)
def test_split_numbered_steps(text, steps):
    assert split_numbered_steps(text) == steps
    assert "".join(steps) == text


def test_another_word():
    assert split_numbered_steps("Étape 1: a Étape 2: b", "Étape") == ("Étape 1: a ", "Étape 2: b")
