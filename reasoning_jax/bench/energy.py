"""What energy-based transformers cost beside a plain transformer, as the compiler counts it."""

import jax
import jax.numpy as jnp

from reasoning_jax.bench.settings import Settings
from reasoning_jax.models import Transformer, init_params, preset, token_logprobs
from reasoning_jax.models.energy import (
    EnergyBatch,
    EnergyModel,
    Thinking,
    draw_start,
    init_energy_params,
    loss_autodiff,
    loss_truncated,
    loss_two_phase,
)

ROWS, LENGTH = 8, 32
SMALL, LARGE = 64, 50_000  # vocabularies
LOSSES = {"autodiff": loss_autodiff, "two-phase": loss_two_phase, "truncated": loss_truncated}


def run(settings: Settings) -> tuple[list[dict], dict]:
    """Rows of ``case``, ``who``, what was counted and its ``ratio`` to the base of the case.

    FLOPs of a gradient stand beside the plain transformer's, of which 1 + 2 T times are expected
    for T thoughts; temporary memory beside that of autodiff.
    """
    rows = []
    if settings.wants("flops"):
        rows += _training_flops()
    if settings.wants("memory"):
        rows += _training_memory()
    return rows, {"versions": {"jax": jax.__version__}}


def _training_flops() -> list[dict]:
    """Of the gradient of a batch."""
    base = plain_gradient(SMALL).cost_analysis()["flops"]
    rows = []
    for thoughts in (1, 2, 3):
        for name, loss in LOSSES.items():
            program = energy_gradient(loss, thoughts, SMALL, thoughts)
            flops = program.cost_analysis()["flops"]
            case = f"FLOPs of a gradient, {thoughts} thoughts"
            rows.append({"case": case, "who": name, "gflop": flops / 1e9, "ratio": flops / base})
    return rows


def _training_memory() -> list[dict]:
    """Of the gradient of a batch at a large vocabulary.

    The loop over thoughts is unrolled or not, whichever takes less.
    """
    rows = []
    for thoughts in (2, 4):
        size = {
            name: min(
                energy_gradient(loss, thoughts, LARGE, unroll).memory_analysis().temp_size_in_bytes
                for unroll in (1, thoughts)
            )
            for name, loss in LOSSES.items()
        }
        case = f"memory at vocabulary 50k, {thoughts} thoughts"
        rows += [
            {"case": case, "who": name, "mib": size[name] / 2**20, "ratio": size[name] / base}
            for base in [size["autodiff"]]
            for name in LOSSES
        ]
    return rows


def plain_gradient(vocabulary: int):
    """The compiled gradient of the plain transformer's loss on a batch."""
    config = preset("nano", vocabulary)
    model = Transformer(config, unroll=config.n_layers)
    params = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    tokens = jax.ShapeDtypeStruct((ROWS, LENGTH + 1), jnp.int32)

    def loss(params: dict, tokens: jax.Array) -> jax.Array:
        return -token_logprobs(model, params, tokens, chunk=LENGTH).logprobs.sum()

    return jax.jit(jax.grad(loss)).lower(params, tokens).compile()


def energy_gradient(loss, steps: int, vocabulary: int, unroll: int):
    """The compiled gradient of an energy model's loss on a batch.

    The compiler counts the body of a loop once: to count FLOPs, ``unroll`` all steps.
    """
    config = preset("nano", vocabulary)
    thinking = Thinking(steps=steps, unroll=unroll)
    model = EnergyModel(Transformer(config, unroll=config.n_layers))
    params = jax.eval_shape(lambda: init_energy_params(config, jax.random.key(0)))
    ids = jax.ShapeDtypeStruct((ROWS, LENGTH), jnp.int32)
    batch = EnergyBatch(ids, ids, jax.ShapeDtypeStruct((ROWS, LENGTH), jnp.float32))
    keys = jax.random.split(jax.random.key(0), ROWS)
    start = jax.eval_shape(lambda: draw_start(model, thinking, keys, LENGTH))

    def value(params: dict, batch: EnergyBatch, start) -> jax.Array:
        return loss(model, params, batch, start, thinking)[0]

    return jax.jit(jax.grad(value)).lower(params, batch, start).compile()
