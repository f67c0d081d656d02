"""Questions and answers of one's own, in JSON lines or JSON."""

from reasoning_jax.tasks.answers import BOXED, Answers, fields
from reasoning_jax.tasks.file_task import Sources

FILES = {split: (f"{split}.jsonl", f"{split}.json") for split in ("train", "validation", "test")}


def questions(
    data: str,
    question: str = "question",
    answer: str = "answer",
    solution: str = "solution",
    columns: tuple[str, ...] = (),
    prompt: str = BOXED,
    validation_size: int = 0,
) -> Answers:
    """Reads train, validation and test, as many as there are, as ``.jsonl`` or ``.json``.

    Args:
      data: the folder.
      question, answer, solution: the fields of a record; the solution may be missing.
      columns: further fields, which rewards find in ``problem.info``.
      prompt, validation_size: as in `Answers`.

    Raises:
      FileNotFoundError: naming the folder or files looked for.
      ValueError: for an unusable option, or naming file, place and fault of a broken record.
    """
    columns = (columns,) if isinstance(columns, str) else tuple(columns)
    parse = fields((question,), (answer,), (solution,), columns)
    return Answers("questions", Sources(FILES, parse), data, prompt, validation_size)
