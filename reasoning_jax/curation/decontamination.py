"""Training questions that a benchmark already holds (Light-R1, arXiv 2503.10460)."""

from collections.abc import Iterable, Sequence


class Benchmark:
    """The questions of a benchmark, against which training questions are held.

    Args:
      questions: of the benchmark.
      words: length of the shared run of words that counts; Light-R1 takes 32. A question of fewer
        words is found by ``same`` alone.

    Raises:
      ValueError: ``words`` below 1.
    """

    def __init__(self, questions: Iterable[str], words: int = 32):
        if words < 1:
            raise ValueError(f"words is {words}; it must be at least 1")
        questions = tuple(questions)
        self._words = words
        self._letters = {_letters(question) for question in questions}
        self._runs = {run for question in questions for run in _runs(question, words)}

    def same(self, question: str) -> bool:
        """Whether it equals one of them in its letters: no digits, blanks, punctuation or case."""
        return _letters(question) in self._letters

    def shares_words(self, question: str) -> bool:
        """Whether it has a run of ``words`` words in common with one of them, whatever the case."""
        return any(run in self._runs for run in _runs(question, self._words))

    def holds(self, question: str) -> bool:
        """Whether the question must not be trained on, by either rule."""
        return self.same(question) or self.shares_words(question)

    def clean(self, questions: Sequence[str]) -> tuple[int, ...]:
        """Indices of the questions that may be trained on."""
        return tuple(i for i, question in enumerate(questions) if not self.holds(question))


def _letters(question: str) -> str:
    return "".join(character for character in question.lower() if character.isalpha())


def _runs(question: str, words: int) -> Iterable[tuple[str, ...]]:
    parts = question.lower().split()
    return (tuple(parts[i : i + words]) for i in range(len(parts) - words + 1))
