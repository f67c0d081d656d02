"""Fenced blocks."""

import pytest

from reasoning_jax.text.code_blocks import code_blocks


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```\nx\n```", ["x\n"]),
        ("a\n```python\nx\n\ny\n```\nb\n```py\nz\n```\n", ["x\n\ny\n", "z\n"]),
        ("``` Python3  \nx\n```  ", ["x\n"]),
        ("```cpp\nx\n```\n```\ny\n```", ["y\n"]),
        ("```\nx\n```\n```output\n3\n```", ["x\n"]),
        ("```python\nx\n```python\ny\n```", ["y\n"]),
        ("```python\nx", []),
        ("so ```x``` and\n```x```\n", []),
        ("    ```\nx\n    ```", []),
        ("```python\n```", [""]),
        ("", []),
    ],
)
def test_blocks(text, blocks):
    assert code_blocks(text) == blocks


def test_languages():
    text = "```cpp\nx\n```\n```\ny\n```"
    assert code_blocks(text, ("cpp",)) == ["x\n"]
    # Fences that never close cost one pass.
    assert code_blocks("```python\n" * 200_000) == []
