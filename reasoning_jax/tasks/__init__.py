"""Problem sets: embedded generators and file-backed benchmarks behind one `Task`."""

from reasoning_jax.tasks.base import EMBEDDED, FILE_BACKED, Task, load_task

__all__ = ["EMBEDDED", "FILE_BACKED", "Task", "load_task"]
