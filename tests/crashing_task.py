"""Chains whose answers are judged in a worker, which crashes on some of them."""

import dataclasses
import os
import zlib

from reasoning_jax.tasks.modchain import ModChain
from reasoning_jax.types import Check, Problem, Verdict


@dataclasses.dataclass(frozen=True)
class CrashingChain(ModChain):
    """ModChain, but a share of the checks ends its worker.

    Attributes:
      crash_percent: of the answers, chosen by their text.
      crash_process: the index of the process of a job on which alone that happens; -1 is all.
    """

    crash_percent: int = 1
    crash_process: int = -1

    def grade(self, problem: Problem, response: str) -> Check:
        verdict = ModChain.grade(self, problem, response)
        percent = self.crash_percent if self._crashes_here() else 0
        return Check(judge_or_crash, (problem.id + response, percent, *vars(verdict).values()))

    def _crashes_here(self) -> bool:
        import jax

        return self.crash_process in (-1, jax.process_index())


def judge_or_crash(text: str, percent: int, *verdict) -> Verdict:
    if zlib.crc32(text.encode()) % 100 < percent:
        os._exit(1)
    return Verdict(*verdict)
