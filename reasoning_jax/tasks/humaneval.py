"""HumanEval (Chen et al. 2021, arXiv 2107.03374): functions to continue from their docstring.

For a chat model, ask for the whole function in a block, for instance
``prompt="Complete this function.\\n```python\\n{question}```\\n"``.
"""

from collections.abc import Mapping
from typing import Any

from reasoning_jax.tasks.file_task import Item
from reasoning_jax.tasks.programs import program_item, program_set
from reasoning_jax.tasks.records import raw_text, text


def _parse(record: Mapping[str, Any]) -> Item:
    start, body = raw_text(record, "prompt"), raw_text(record, "canonical_solution")
    name = text(record, "entry_point")
    test = f"{raw_text(record, 'test')}\n\ncheck({name})\n"
    return program_item(
        start,
        [{"kind": "assert", "source": test}],
        form="continuation",
        reference=start + body,
        solution=body,
        start=start,
        entry_point=name,
        task_id=text(record, "task_id"),
    )


humaneval = program_set(
    "humaneval",
    {"test": ("HumanEval.jsonl.gz", "HumanEval.jsonl", "humaneval.jsonl", "test.jsonl")},
    _parse,
    prompt="{question}",
)
