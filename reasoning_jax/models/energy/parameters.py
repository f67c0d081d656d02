"""Parameters of an energy model: those of the plain decoder, and what candidates need."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from reasoning_jax.models.config import ModelConfig
from reasoning_jax.models.heads import HEAD_AXES, init_head
from reasoning_jax.models.parameters import init_params, param_shardings
from reasoning_jax.parallel.mesh import partition

# Standard deviation that embeddings of steps begin with. What is added to candidates begins at 0; a
# token of its own is normalised as it is, and at 0 its gradient would be beyond all others.
LANDSCAPE_SCALE = {"candidate": 0.0, "time_token": 1.0}

# Logical axes of what stands beside the decoder.
AXES: dict[str, tuple[str | None, ...]] = {
    "candidate_embedding": ("vocab", "embed"),
    "landscape_embedding": (None, None),
    "step_size": (),
}


def init_energy_params(
    config: ModelConfig,
    key: jax.Array,
    *,
    landscapes: int = 1,
    step_size: float = 5.0,
    conditioning: str = "candidate",
    mesh: Mesh | None = None,
) -> dict:
    """Fresh float32 parameters, in their shards; equal for every mesh.

    ``decoder`` is the tree of ``init_params``, so a language model of the same config is the
    baseline; ``head`` {kernel [M, 1]} makes energies; ``candidate_embedding`` [V, M] is normal
    with variance 2 / (V + M); ``landscape_embedding`` [landscapes, M] is normal
    of scale ``LANDSCAPE_SCALE[conditioning]``; ``step_size`` is a scalar. A start distribution has
    probabilities near 1 / V, so the useful step size grows with V: 5 to 20 at V <= 100, about 500
    at V = 50k (arXiv:2507.02092).
    """

    def init(key: jax.Array) -> dict:
        decoder, candidates, head = jax.random.split(key, 3)
        v, m = config.vocab_size, config.d_model
        steps = jax.random.normal(jax.random.fold_in(key, 3), (landscapes, m))
        return {
            "decoder": init_params(config, decoder),
            "candidate_embedding": (2 / (v + m)) ** 0.5 * jax.random.normal(candidates, (v, m)),
            "landscape_embedding": LANDSCAPE_SCALE[conditioning] * steps,
            "head": init_head(head, m),
            "step_size": jnp.float32(step_size),
        }

    if mesh is None:
        return jax.jit(init)(key)
    return jax.jit(init, out_shardings=energy_param_shardings(config, landscapes, mesh))(key)


def energy_param_shardings(config: ModelConfig, landscapes: int, mesh: Mesh) -> dict:
    """NamedSharding of every parameter of ``init_energy_params``, from its logical axes."""
    v, m = config.vocab_size, config.d_model
    shapes = {"candidate_embedding": (v, m), "landscape_embedding": (landscapes, m)}
    beside = {name: partition(mesh, AXES[name], shape) for name, shape in shapes.items()}
    return {
        "decoder": param_shardings(config, mesh),
        **beside,
        "head": {"kernel": partition(mesh, HEAD_AXES["kernel"], (m, 1))},
        "step_size": partition(mesh, AXES["step_size"], ()),
    }
