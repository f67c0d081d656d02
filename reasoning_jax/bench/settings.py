"""What a suite is given."""

import dataclasses
import pathlib
import sys

from reasoning_jax.bench.arena import Contestant
from reasoning_jax.bench.rows import OURS
from reasoning_jax.bench.shapes import SHAPES, Load, Shape, load_of

PEERS = ("transformers", "trl", "tunix")

_MODULES = {
    OURS: "reasoning_jax.bench.contestants.ours",
    "transformers": "reasoning_jax.bench.contestants.hf_transformers",
    "trl": "reasoning_jax.bench.contestants.trl",
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
      options: more arguments of our `Transformer` in updates, such as ``attention``.
    """

    shape: str
    folders: pathlib.Path
    peers: tuple[str, ...] = ()
    pythons: dict[str, str] = dataclasses.field(default_factory=dict)
    rounds: int = 3
    cases: tuple[str, ...] = ()
    options: dict[str, str] = dataclasses.field(default_factory=dict)

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


def model_options(values: list[str]) -> dict[str, str]:
    """NAME=VALUE as keywords of our `Transformer`."""
    found = {}
    for word in values:
        name, equals, value = word.partition("=")
        if not equals or name not in ("attention", "remat"):
            raise ValueError(f"--option={word}: give attention=NAME or remat=NAME")
        found[name] = value
    return found


def interpreters(values: list[str]) -> dict[str, str]:
    """Interpreters by peer, from PATH for all of them and NAME=PATH for one."""
    found = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not equals:
            found = {**dict.fromkeys(PEERS, value), **found}
        elif name not in PEERS:
            raise ValueError(f"--peer_python={value}: no peer {name!r}; one of {', '.join(PEERS)}")
        else:
            found[name] = path
    return found
