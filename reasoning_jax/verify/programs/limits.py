"""What one test of a program, or one call of a session, may use."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of one test; beyond any of them the program and all it started are killed.

    Attributes:
      cpu_seconds: processor time of all its processes together.
      wall_seconds: time by the clock, the start of the process included.
      memory_bytes: address space of each process, and resident memory of all together.
      output_bytes: what it may print, or the size of what a called function returns; a longer
        expected output has room all the same.
      file_bytes: size of each file and of all files together in its private folder.
      processes: processes and threads at one time, the program itself included.

    Raises:
      ValueError: for a bound that is not positive, naming it.
    """

    cpu_seconds: float = 4.0
    wall_seconds: float = 20.0
    memory_bytes: int = 512 << 20
    output_bytes: int = 1 << 20
    file_bytes: int = 16 << 20
    processes: int = 8

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if not value > 0:
                raise ValueError(f"limits: {name} must be positive, got {value!r}")
