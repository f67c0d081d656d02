"""What a work costs at the least: FLOPs and bytes counted, and the time a machine needs for them.

Conventions: a multiplication and an addition are two FLOPs; attention counts what a causal mask
leaves; a training step is three forwards; embedding look-ups, norms and the optimiser count as
nothing. Each weight is read once a decoding step, and each visible key and value once, those of
a prompt once for all rows that begin with it.
"""

import dataclasses

from reasoning_jax.bench.shapes import Shape


@dataclasses.dataclass(frozen=True)
class Machine:
    """What this machine reached in the same run.

    Attributes:
      flops: FLOP/s of a large matrix product.
      bandwidth: bytes/s of reading a large array.
    """

    flops: float
    bandwidth: float


@dataclasses.dataclass(frozen=True)
class Floor:
    """FLOPs and bytes of a work, and seconds at the machine's roofline."""

    flops: float
    bytes: float
    seconds: float


def forward_flops(shape: Shape, rows: int, length: int, logits: int) -> float:
    """FLOPs of whole rows of ``length`` tokens, with logits at so many positions of each."""
    weights = 2 * (shape.layer_weights * length + shape.head_weights * logits)
    pairs = length * (length + 1) / 2
    attention = 4 * pairs * shape.n_heads * shape.head_dim * shape.n_layers
    return rows * (weights + attention)


def decode_flops(shape: Shape, visible: int) -> float:
    """FLOPs of one token of one row that sees so many, itself included."""
    attention = 4 * visible * shape.n_heads * shape.head_dim * shape.n_layers
    return 2 * (shape.layer_weights + shape.head_weights) + attention


def cache_bytes(shape: Shape) -> int:
    """Bytes of the keys and values of one token."""
    return 2 * shape.n_layers * shape.n_kv_heads * shape.head_dim * shape.itemsize


def sampling(
    shape: Shape, machine: Machine, rows: int, prompt: int, response: int, distinct: int
) -> Floor:
    """Rows of one length from so many distinct prompts, each read by its rows together.

    A decoding step takes the longer of its FLOPs and its bytes; the first token of a row comes
    from the prefill.
    """
    weight_bytes = (shape.layer_weights + shape.head_weights) * shape.itemsize
    flops = forward_flops(shape, distinct, prompt, logits=1)
    moved = float(weight_bytes)
    seconds = max(flops / machine.flops, moved / machine.bandwidth)
    for visible in range(prompt + 1, prompt + response):
        step_flops = rows * decode_flops(shape, visible)
        columns = distinct * prompt + rows * (visible - prompt)
        step_bytes = weight_bytes + columns * cache_bytes(shape)
        seconds += max(step_flops / machine.flops, step_bytes / machine.bandwidth)
        flops, moved = flops + step_flops, moved + step_bytes
    return Floor(flops, moved, seconds)


def update(shape: Shape, machine: Machine, rows: int, prompt: int, response: int) -> Floor:
    """One optimiser step on rows whose loss is on the response.

    The optimiser reads and writes float32 weights and two moments and reads gradients: 7 numbers
    of 4 bytes for every weight.
    """
    flops = 3 * forward_flops(shape, rows, prompt + response, logits=response)
    moved = 28.0 * (shape.layer_weights + shape.head_weights)
    return Floor(flops, moved, flops / machine.flops + moved / machine.bandwidth)
