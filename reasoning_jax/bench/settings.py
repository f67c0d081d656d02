"""What a suite is given."""

import dataclasses
import pathlib
import sys

from reasoning_jax.bench.arena import Contestant
from reasoning_jax.bench.rows import OURS
from reasoning_jax.bench.shapes import SHAPES, Load, Shape, load_of

PEERS = ("transformers", "tunix")

_MODULES = {
    OURS: "reasoning_jax.bench.contestants.ours",
    "transformers": "reasoning_jax.bench.contestants.hf_transformers",
    "tunix": "reasoning_jax.bench.contestants.tunix",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a suite is run.

    Attributes:
      shape: a name of `SHAPES`.
      folders: where model folders are kept.
      peers: who takes part beside us.
      pythons: interpreters of peers that have one of their own.
      rounds: runs of every contestant; figures are medians.
      cases: the cases to measure; () for all.
    """

    shape: str
    folders: pathlib.Path
    peers: tuple[str, ...] = ()
    pythons: dict[str, str] = dataclasses.field(default_factory=dict)
    rounds: int = 3
    cases: tuple[str, ...] = ()

    @property
    def sizes(self) -> Shape:
        """Of the model."""
        return SHAPES[self.shape]

    @property
    def load(self) -> Load:
        """Of the works."""
        return load_of(self.shape)

    def wants(self, case: str) -> bool:
        """Whether a case is to be measured."""
        return not self.cases or case in self.cases

    def contestant(self, name: str) -> Contestant:
        """Us, or a peer with its interpreter."""
        python = self.pythons.get(name, sys.executable)
        return Contestant(name, _MODULES[name], python, ours=name == OURS)
