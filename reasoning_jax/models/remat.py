"""What a block keeps for the backward pass, by name; the rest is computed again there.

             kept of a block                            computed again
none         everything                                 nothing
dots         results of all products                    norms, activations, softmaxes
projections  results of products with parameters        attention too
full         its input                                  the whole block

Selective recomputation: Korthikanti et al., arXiv:2205.05198.
"""

import jax
from flax import linen as nn

POLICIES = {
    "dots": jax.checkpoint_policies.dots_saveable,
    "projections": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}
# What flags, and configs of before there were names, say.
_SPELLINGS = {"none": None, "False": None, "True": "full"}


def remat_policy(name: str | bool | None) -> str | None:
    """A name of ``POLICIES``, or None for "none"; True means "full" and False "none".

    Raises:
      ValueError: an unknown name; says the known ones.
    """
    if name is None or str(name) in _SPELLINGS:
        return None if name is None else _SPELLINGS[str(name)]
    if name not in POLICIES:
        raise ValueError(f"remat is {name!r}; choose one of none, {', '.join(POLICIES)}")
    return name


def rematerialised(block: type[nn.Module], name: str | bool | None) -> type[nn.Module]:
    """The module, to be scanned over, with the backward pass that a policy asks for."""
    policy = remat_policy(name)
    if policy is None:
        return block
    # Forward and backward loops cannot be merged, so nothing has to be kept from being merged.
    return nn.remat(block, prevent_cse=False, policy=POLICIES[policy])
