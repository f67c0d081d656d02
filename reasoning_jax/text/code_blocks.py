"""Fenced blocks of a text in Markdown."""

FENCE = "```"
PYTHON = ("", "python", "python3", "py")


def code_blocks(text: str, languages: tuple[str, ...] = PYTHON) -> list[str]:
    """The contents of the closed blocks of some languages, in order; linear in the text.

    A fence with a language opens a block even inside another that was never closed.

    >>> code_blocks("so\\n```python\\nx = 1\\n```\\n")
    ['x = 1\\n']
    """
    blocks: list[str] = []
    language, lines = None, []
    for line in text.split("\n"):
        mark = line.strip()
        if not (line.startswith(FENCE) and "`" not in mark[len(FENCE) :]):
            lines.append(line + "\n")
        elif mark == FENCE and language is not None:
            if language in languages:
                blocks.append("".join(lines))
            language = None
        else:
            language, lines = mark[len(FENCE) :].strip().lower(), []
    return blocks
