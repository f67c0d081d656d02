"""What a function asks of ``Rollouts`` beyond the fields that are always there."""

from reasoning_jax.types import Rollouts


class MissingField(ValueError):
    """A function reads a field of ``Rollouts`` that nothing has filled.

    Attributes:
      field: its name; a stage looks for what fills it.
    """

    def __init__(self, field: str, reader: str):
        super().__init__(f"rollouts.{field} is None; {reader} needs it")
        self.field = field


def require(rollouts: Rollouts, reader: str, *fields: str) -> None:
    """Raises MissingField for the first of ``fields`` that is None, naming the reader."""
    for field in fields:
        if getattr(rollouts, field) is None:
            raise MissingField(field, reader)
