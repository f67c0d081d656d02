"""Low-rank adapters: a small pytree of its own that is laid over unchanged parameters.

LoRA (Hu et al. 2021, arXiv 2106.09685): a projection x W becomes x W + scale (x A) B. The base
stays as it is, so it is the reference policy too, and gradients are taken of the adapters alone:

    loss = lambda adapters, base, batch: f(combine(base, adapters, lora.scale), batch)
"""

import dataclasses
import fnmatch
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util
from jax.sharding import Mesh

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.layers import Projection
from reasoning_jax.models.parameters import abstract_params
from reasoning_jax.parallel.mesh import partition

LAYERS = "layers/block/"


def alpha_over_rank(alpha: float, rank: int) -> float:
    """The scale of LoRA."""
    return alpha / rank


def alpha_over_sqrt_rank(alpha: float, rank: int) -> float:
    """The rank-stabilised scale (Kalajdzievski 2023, arXiv 2312.03732)."""
    return alpha / math.sqrt(rank)


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Which projections of every layer get adapters, and how large these are.

    Attributes:
      rank: inner size r of A [*inputs, r] and B [r, *outputs].
      alpha: numerator of the scale.
      targets: patterns over the paths of ``projections``, such as ``attention/q`` or ``mlp/*``.
      scaling: (alpha, rank) -> scale.
      dropout: share of the inputs of A that an update zeroes; sampling and scoring zero none.
    """

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ("attention/*", "mlp/*")
    scaling: Callable[[float, int], float] = alpha_over_rank
    dropout: float = 0.0

    def __post_init__(self):
        if self.rank < 1:
            raise ValueError(f"LoRA rank is {self.rank}; it must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"LoRA dropout is {self.dropout}; it must be in [0, 1)")
        if not self.targets:
            raise ValueError("LoRA targets are empty; name projections such as 'attention/*'")

    @property
    def scale(self) -> float:
        """Multiplier of (x A) B."""
        return self.scaling(self.alpha, self.rank)


def projections(config: ModelConfig) -> dict[str, Projection]:
    """The projections of a layer by path, such as ``attention/q``: all that LoRA can adapt."""
    found = {}

    def note(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext):
        module = context.module
        if isinstance(module, Projection):
            found["/".join(module.path).removeprefix(LAYERS)] = module.clone(parent=None)
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        abstract_params(config)
    return found


def target_projections(config: ModelConfig, lora: LoraConfig) -> dict[str, Projection]:
    """The projections that the patterns choose, by path.

    Raises:
      ValueError: a pattern that matches none.
    """
    known = projections(config)
    for pattern in lora.targets:
        if not fnmatch.filter(known, pattern):
            raise ValueError(
                f"LoRA target {pattern!r} matches none of {', '.join(known)}; experts, "
                "embeddings and the head take no adapters"
            )
    return {
        path: projection
        for path, projection in known.items()
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in lora.targets)
    }


def init_lora(
    config: ModelConfig, lora: LoraConfig, key: jax.Array, mesh: Mesh | None = None
) -> dict:
    """Fresh float32 adapters that change nothing yet, made in their shards; equal for every mesh.

    The tree follows the parameters down to each target, which has ``lora_a``
    [layers, *inputs, r], uniform within ±fan_in^-1/2 (the Kaiming uniform of PEFT), and
    ``lora_b`` [layers, r, *outputs], zero.

    Raises:
      ValueError: a target that matches no projection.
    """
    leaves, structure = jax.tree.flatten(_leaves(config, lora))

    def init(key: jax.Array) -> dict:
        keys = jax.random.split(key, len(leaves))
        return structure.unflatten(
            [leaf.init(own, leaf.shape, jnp.float32) for leaf, own in zip(leaves, keys)]
        )

    if mesh is None:
        return jax.jit(init)(key)
    return jax.jit(init, out_shardings=lora_shardings(config, lora, mesh))(key)


def abstract_lora(config: ModelConfig, lora: LoraConfig) -> dict:
    """Shapes and dtypes of the adapters, without making them."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, jnp.float32), _leaves(config, lora)
    )


def lora_shardings(config: ModelConfig, lora: LoraConfig, mesh: Mesh) -> dict:
    """NamedSharding of every adapter: split like its kernel, the rank whole."""
    return jax.tree.map(lambda leaf: partition(mesh, leaf.axes, leaf.shape), _leaves(config, lora))


def combine(base: dict, adapters: dict, scale: float) -> dict:
    """Parameters that apply the adapters: A, B and the scale beside each target's kernel.

    No array is computed or copied; every function of parameters takes the result.

    Raises:
      ValueError: adapters of a projection that ``base`` has not.
    """

    def join(module: dict, pair: dict) -> dict:
        # A NumPy constant: jit takes it whatever devices and processes hold the rest.
        layers = pair["lora_a"].shape[0]
        return module | pair | {"lora_scale": np.full(layers, scale, np.float32)}

    return _at_targets(base, adapters, join)


def with_dropout(params: dict, rate: float, key: jax.Array) -> dict:
    """What ``combine`` gives, with dropout before every A: a key and the rate beside each.

    The mask of a projection depends on the key, the layer, the projection and the shape of its
    input, whatever devices hold it.
    """
    flat = traverse_util.flatten_dict(params, sep="/")
    targets = sorted(path for path in flat if path.endswith("lora_a"))
    for path, own in zip(targets, jax.random.split(key, len(targets))):
        module, layers = path.removesuffix("lora_a"), flat[path].shape[0]
        flat[module + "lora_key"] = jax.random.key_data(jax.random.split(own, layers))
        flat[module + "lora_dropout"] = np.full(layers, rate, np.float32)
    return traverse_util.unflatten_dict(flat, sep="/")


def merge(base: dict, adapters: dict, scale: float) -> dict:
    """Parameters with kernel + scale A B in place of each target's kernel, in its dtype.

    The product is float32 at full precision. For export: rounding aside, these give the same
    logits as ``combine``.

    Raises:
      ValueError: adapters of a projection that ``base`` has not.
    """

    def add(module: dict, pair: dict) -> dict:
        product = jax.vmap(
            lambda a, b: jnp.tensordot(a, b, axes=1, precision=jax.lax.Precision.HIGHEST)
        )
        kernel = module["kernel"]
        merged = kernel.astype(jnp.float32) + scale * product(pair["lora_a"], pair["lora_b"])
        return module | {"kernel": merged.astype(kernel.dtype)}

    return _at_targets(base, adapters, add)


@dataclasses.dataclass(frozen=True)
class _Leaf:
    """One adapter array: its shape, the logical axis of each dimension, its initialiser."""

    shape: tuple[int, ...]
    axes: tuple[str | None, ...]
    init: Callable[..., jax.Array]


def _leaves(config: ModelConfig, lora: LoraConfig) -> dict:
    """The adapter tree with a _Leaf for every array."""
    layers, rank = config.n_layers, lora.rank

    def pair(projection: Projection) -> dict[str, _Leaf]:
        n, axes = len(projection.inputs), projection.axes
        # A variance of 1 / (3 fan_in) is that of the uniform numbers within ±fan_in^-1/2.
        uniform = nn.initializers.variance_scaling(
            1 / 3, "fan_in", "uniform", in_axis=range(1, n + 1), out_axis=-1, batch_axis=(0,)
        )
        return {
            "lora_a": _Leaf((layers, *projection.inputs, rank), (None, *axes[:n], None), uniform),
            "lora_b": _Leaf(
                (layers, rank, *projection.outputs),
                (None, None, *axes[n:]),
                nn.initializers.zeros,
            ),
        }

    chosen = target_projections(config, lora)
    return traverse_util.unflatten_dict(
        {LAYERS + path: pair(projection) for path, projection in chosen.items()}, sep="/"
    )


def _at_targets(
    base: dict, adapters: Mapping[str, Any], change: Callable[[dict, dict], dict]
) -> dict:
    """``base`` with every module that has adapters replaced by ``change(module, adapters)``."""
    if "lora_a" in adapters:
        return change(base, adapters)
    strange = adapters.keys() - base.keys()
    if strange:
        raise ValueError(
            f"adapters for {sorted(strange)} do not fit parameters with {sorted(base)}; "
            "the adapters were made for another model"
        )
    return base | {name: _at_targets(base[name], adapters[name], change) for name in adapters}
