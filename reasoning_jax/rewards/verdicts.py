"""Heimdall: a problem and a solution are read, a verdict is written (arXiv 2504.10337). Host.

A policy trained on this task is a generative verifier.
"""

import dataclasses
from collections.abc import Mapping
from random import Random
from typing import Any

from reasoning_jax.tasks import load_task
from reasoning_jax.tasks.generated import Generated
from reasoning_jax.tasks.splits import check_index, split_of
from reasoning_jax.types import Problem, StepLabels, Verdict

MARK, RIGHT, WRONG = "|", "y", "n"
# Solutions drawn of one problem before another problem is taken.
_TRIES = 32
_DRAWS = 2_000


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """``7+5*4-9=2,7,8|`` is answered ``2,8,9|n``: the problem worked anew, then a verdict.

    Solutions to judge come from the base task's noisy teacher, in every split; problems with an
    even index show a right one, others a wrong one, so that no prompt gives its label away by
    how hard it is (the paper leaves out problems that are always or never solved). Solutions to
    imitate are the noisy teacher's own work, with the verdict that follows from it.

    Attributes:
      base: name of an embedded task whose teacher errs.
      base_options: its knobs.
      seed: another seed judges other solutions, of the same disjoint splits.
    """

    base: str = "modchain"
    base_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    _task: Generated = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self):
        task = load_task(self.base, **dict(self.base_options))
        if not isinstance(task, Generated):
            raise ValueError(f"verdicts: base {self.base!r} is no embedded task with a teacher")
        object.__setattr__(self, "_task", task)
        for index in (0, 1):  # there must be right solutions and wrong ones
            self._draw("train", index)

    @property
    def name(self) -> str:
        """The first part of every problem id."""
        return "verdicts"

    @property
    def alphabet(self) -> str:
        """The characters of prompts and solutions."""
        own = self._task.alphabet
        return own + "".join(c for c in (MARK, RIGHT, WRONG) if c not in own)

    def size(self, split: str) -> int:
        """Number of problems of a split."""
        return self._task.size(split)

    def problem(self, split: str, index: int) -> Problem:
        """Problem ``index`` of a split; its answer is the verdict."""
        check_index(self.name, split, index, self.size(split))
        posed, worked = self._draw(split, index)
        of_base = Problem(id=f"{self.base}/{split}/{index}", task=self.base, **posed)
        shown = of_base.solution
        agree = self._answer(of_base, worked) == self._answer(of_base, shown)
        return Problem(
            id=f"{self.name}/{split}/{index}",
            task=self.name,
            prompt=f"{of_base.prompt}{shown}{MARK}",
            answer=RIGHT if index % 2 == 0 else WRONG,
            solution=f"{worked}{MARK}{RIGHT if agree else WRONG}",
            info={"base": dataclasses.asdict(of_base)},
        )

    def solver(self, options: Mapping[str, Any]) -> Generated:
        """The base task with these of its knobs otherwise: another teacher of the same problems."""
        return load_task(self.base, **{**self.base_options, **options})

    def solutions(
        self, split: str, index: int, count: int, solver: Generated
    ) -> tuple[Problem, tuple[Problem, ...]]:
        """A problem of the base task, and its verification for each of ``count`` solutions.

        Solutions are those of the teacher of ``solver``, right or wrong as they fall, and
        ``info["solution"]`` of a verification is the one it shows.
        """
        check_index(self.name, split, index, self.size(split))
        random = Random(f"{self.name}/{self.seed}/solutions/{split}/{index}")
        for _ in range(_DRAWS):
            latent = solver.draw(random)
            if latent is not None and split_of(solver.key(latent)) == split:
                break
        else:
            raise ValueError(f"verdicts: no {split} problem of {self.base} among {_DRAWS} draws")
        id = f"{self.base}/{split}/solutions/{index}"
        posed = [
            Problem(id=id, task=self.base, **solver.pose(latent, "train", random))
            for _ in range(count)
        ]
        return posed[0], tuple(self._verification(shown) for shown in posed)

    def base_verdict(self, problem: Problem, solution: str) -> Verdict:
        """What the base task says of a solution."""
        return self._task.grade(problem, solution)

    def read(self, response: str) -> bool | None:
        """The verdict of a response; None where none can be read."""
        _, mark, said = response.strip().rpartition(MARK)
        return said == RIGHT if mark and said in (RIGHT, WRONG) else None

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Right when what follows the last mark is the label.

        Reasons: "no_verdict" (nothing that can be read), "exact", "different".
        """
        said = self.read(response)
        if said is None:
            return Verdict(False, "no_verdict")
        said = RIGHT if said else WRONG
        right = said == problem.answer
        return Verdict(right, "exact" if right else "different", said)

    def step_labels(self, problem: Problem, response: str) -> StepLabels:
        """The base task's labels of the work before the verdict."""
        return self._task.step_labels(Problem(**problem.info["base"]), response.split(MARK)[0])

    def _verification(self, shown: Problem) -> Problem:
        right = self._task.grade(shown, shown.solution or "").correct
        return Problem(
            id=f"{self.name}/{shown.id}",
            task=self.name,
            prompt=f"{shown.prompt}{shown.solution}{MARK}",
            answer=RIGHT if right else WRONG,
            info={"base": dataclasses.asdict(shown), "solution": shown.solution},
        )

    def _draw(self, split: str, index: int) -> tuple[dict[str, Any], str]:
        """A base problem with a solution to judge, right for even indices, and one to imitate."""
        random = Random(f"{self.name}/{self.seed}/{split}/{index}")
        right = index % 2 == 0
        for _ in range(_DRAWS):
            latent = self._task.draw(random)
            if latent is None or split_of(self._task.key(latent)) != split:
                continue
            for _ in range(_TRIES):
                posed = self._task.pose(latent, "train", random)
                problem = Problem(id="", task=self.base, **posed)
                if self._task.grade(problem, posed["solution"]).correct is right:
                    # The teacher errs in its own work in training alone.
                    again = self._task.pose(latent, split, random)
                    if again["prompt"] != posed["prompt"]:
                        raise ValueError(
                            f"verdicts: {self.base} poses a problem another way each time; choose "
                            "a base that does not"
                        )
                    return posed, again["solution"]
        raise ValueError(
            f"verdicts: the teacher of {self.base} writes no {'right' if right else 'wrong'} "
            "solution; change its noise"
        )

    def _answer(self, problem: Problem, solution: str) -> str | None:
        return self._task.grade(problem, solution).extracted
