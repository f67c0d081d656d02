"""What energy-based transformers cost beside a plain transformer, as the compiler counts it."""

import statistics
import time

import jax
import jax.numpy as jnp

from reasoning_jax.bench.settings import Settings
from reasoning_jax.models import Transformer, init_params, preset, token_logprobs
from reasoning_jax.models.energy import (
    CachedContext,
    EnergyBatch,
    EnergyModel,
    Thinking,
    draw_start,
    encode,
    init_energy_params,
    least_energy,
    loss_autodiff,
    loss_truncated,
    loss_two_phase,
    think,
    think_next,
)
from reasoning_jax.models.transformer import decode_step, prefill, unstack_layers

ROWS, LENGTH = 8, 32
SMALL, LARGE = 64, 50_000  # vocabularies
DECODED, TOKENS = 8, 8  # rows decoded at once; tokens of a round
THOUGHTS = Thinking(steps=2)
LOSSES = {"autodiff": loss_autodiff, "two-phase": loss_two_phase, "truncated": loss_truncated}


def run(settings: Settings) -> tuple[list[dict], dict]:
    """Rows of ``case``, ``who``, what was counted and its ``ratio`` to the base of the case.

    FLOPs of a gradient stand beside the plain transformer's, of which 1 + 2 T times are expected
    for T thoughts; temporary memory beside that of autodiff. Decoding over a cache stands beside
    a loop that encodes and thinks over all tokens anew for every one, as public code does.
    """
    rows = []
    if settings.wants("flops"):
        rows += _training_flops()
    if settings.wants("memory"):
        rows += _training_memory()
    if settings.wants("decoding"):
        rows += _decoding(settings.rounds)
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


def _decoding(rounds: int) -> list[dict]:
    """FLOPs of one token at growing prefixes, then tokens a second behind 256 tokens."""
    rows = []
    for prefix in (64, 256, 1024):
        flops = {
            "cache": cached_token(prefix).cost_analysis()["flops"],
            "anew": token_anew(prefix).cost_analysis()["flops"],
        }
        case = f"FLOPs of a token behind {prefix}"
        rows += [
            {"case": case, "who": who, "mflop": value / 1e6, "ratio": value / flops["cache"]}
            for who, value in flops.items()
        ]
    return rows + _decoding_speed(rounds)


def _decoding_speed(rounds: int) -> list[dict]:
    """Both loops in turn; figures are medians."""
    prefix, case = 256, "tokens/s behind 256 tokens"
    programs = {"cache": cached_token(prefix), "anew": token_anew(prefix)}
    model = _decoding_model()
    params = init_energy_params(model.decoder.config, jax.random.key(0), landscapes=2)
    arguments = {
        "cache": (params, _cached_context(model, params, prefix), _keys()),
        "anew": (params, jnp.zeros((DECODED, prefix), jnp.int32), _keys()),
    }
    seconds: dict[str, list[float]] = {who: [] for who in programs}
    for _ in range(rounds + 1):
        for who, program in programs.items():
            begun = time.perf_counter()
            for _ in range(TOKENS):
                jax.block_until_ready(program(*arguments[who]))
            seconds[who].append((time.perf_counter() - begun) / TOKENS)
    # The first round warms up.
    of = {who: statistics.median(times[1:]) for who, times in seconds.items()}
    return [
        {"case": case, "who": "cache", "tokens_per_s": DECODED / of["cache"]},
        {
            "case": case,
            "who": "anew",
            "tokens_per_s": DECODED / of["anew"],
            "times": of["anew"] / of["cache"],
        },
    ]


def cached_token(prefix: int):
    """The compiled step that writes a token into a cache of ``prefix`` and thinks of the next."""
    model = _decoding_model()

    def step(params: dict, context: CachedContext, keys_B: jax.Array):
        layers = unstack_layers(params["decoder"], model.decoder.config.n_layers)
        token = jnp.zeros(len(keys_B), jnp.int32)
        caches, _ = decode_step(
            model.decoder,
            params["decoder"],
            layers,
            context.caches,
            token,
            context.positions - 1,
            context.column,
            context.visible,
        )
        context = context._replace(layers=layers, caches=caches)
        thoughts = think_next(model, params, context, keys_B, THOUGHTS, 1)
        return least_energy(thoughts)[0].argmax(-1), caches

    params = jax.eval_shape(
        lambda: init_energy_params(model.decoder.config, jax.random.key(0), landscapes=2)
    )
    context = jax.eval_shape(lambda params: _cached_context(model, params, prefix), params)
    return jax.jit(step).lower(params, context, jax.eval_shape(_keys)).compile()


def token_anew(prefix: int):
    """The compiled step that encodes and thinks over all tokens to choose the next."""
    model = _decoding_model()

    def step(params: dict, tokens: jax.Array, keys_B: jax.Array) -> jax.Array:
        context = encode(model, params, tokens)
        start = draw_start(model, THOUGHTS, keys_B, prefix)
        return think(model, params, context, start, THOUGHTS).candidates[:, -1].argmax(-1)

    params = jax.eval_shape(
        lambda: init_energy_params(model.decoder.config, jax.random.key(0), landscapes=2)
    )
    tokens = jax.ShapeDtypeStruct((DECODED, prefix), jnp.int32)
    return jax.jit(step).lower(params, tokens, jax.eval_shape(_keys)).compile()


def _decoding_model() -> EnergyModel:
    config = preset("micro", SMALL, {"max_position": 4096})
    return EnergyModel(Transformer(config, unroll=config.n_layers), landscapes=2)


def _cached_context(model: EnergyModel, params: dict, prefix: int) -> CachedContext:
    """A cache of ``prefix`` tokens whose last column is still to be written."""
    tokens = jnp.zeros((DECODED, prefix), jnp.int32)
    caches, _ = prefill(model.decoder, params["decoder"], tokens, jnp.ones_like(tokens), prefix)
    return CachedContext(
        layers=[],
        caches=caches,
        visible=jnp.ones((DECODED, prefix), bool),
        column=jnp.int32(prefix - 1),
        positions=jnp.full(DECODED, prefix),
    )


def _keys() -> jax.Array:
    return jax.random.split(jax.random.key(0), DECODED)


def plain_gradient(vocabulary: int):
    """The compiled gradient of the plain transformer's loss on a batch."""
    config = preset("nano", vocabulary)
    model = Transformer(config, unroll=config.n_layers)
    params = jax.eval_shape(lambda: init_params(config, jax.random.key(0)))
    tokens = jax.ShapeDtypeStruct((ROWS, LENGTH + 1), jnp.int32)

    def loss(params: dict, tokens: jax.Array) -> jax.Array:
        return -token_logprobs(model, params, tokens, chunk=tokens.size).logprobs.sum()

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
