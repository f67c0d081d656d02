"""Models that are measured: sizes of Qwen2 decoders with random weights."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes of a Qwen2 decoder with biases at queries, keys and values and a tied embedding."""

    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    vocab_size: int
    dtype: str = "float32"

    def model_fields(self) -> dict[str, Any]:
        """Keywords of a ModelConfig."""
        fields = dataclasses.asdict(self)
        del fields["dtype"]
        return {
            **fields,
            "architecture": "qwen2",
            "qkv_bias": True,
            "max_position": 32768,
            "tie_embeddings": True,
        }

    @property
    def layer_weights(self) -> int:
        """Entries of the matrices of all layers."""
        attention = self.d_model * self.head_dim * (2 * self.n_heads + 2 * self.n_kv_heads)
        return self.n_layers * (attention + 3 * self.d_model * self.d_ff)

    @property
    def head_weights(self) -> int:
        """Entries of the unembedding."""
        return self.d_model * self.vocab_size

    @property
    def itemsize(self) -> int:
        """Bytes of a number while computing."""
        return {"float32": 4, "bfloat16": 2}[self.dtype]


@dataclasses.dataclass(frozen=True)
class Load:
    """How much of each work is asked of a shape.

    Attributes:
      rows, prompt, response: of plain sampling, and of a whole step of RL.
      update_rows: rows of an update, prompt + response tokens each.
      update_parts: micro-batches of an update.
      micro_batches: those of the update of a whole step of RL.
      long_prompt, long_response, groups: of sampling groups of 8 from long prompts.
      mean_length, most_tokens, per_slot: geometric lengths, and requests for each of ``rows``
        slots.
      batches: rows of the sweep over batch sizes.
      lengths: tokens a row of the sweep over lengths.
      matrix: side of the calibrating matrix product.
      stream: numbers that the calibrating read adds up.
    """

    rows: int = 64
    prompt: int = 64
    response: int = 128
    update_rows: int = 32
    update_parts: int = 4
    micro_batches: int = 4
    long_prompt: int = 1024
    long_response: int = 512
    groups: int = 4
    mean_length: int = 64
    most_tokens: int = 512
    per_slot: int = 8
    batches: tuple[int, ...] = (2, 8, 32, 64, 128)
    lengths: tuple[int, ...] = (128, 256, 512, 1024)
    matrix: int = 1024
    stream: int = 1 << 26


TINY = Load(8, 8, 8, 16, 1, 1, 32, 8, 2, 4, 16, 2, (2, 8), (16, 32), 64, 1 << 12)
ACCELERATOR = Load(
    prompt=256,
    response=512,
    update_rows=16,
    update_parts=1,
    micro_batches=4,
    groups=16,
    mean_length=256,
    most_tokens=1024,
    batches=(1, 16, 64, 256),
    lengths=(512, 1024, 1536),
    matrix=8192,
    stream=1 << 30,
)


def load_of(shape: str) -> Load:
    """What the suites ask of a shape."""
    if SHAPES[shape].dtype == "bfloat16":
        # Both contestants' optimiser states and activations have to fit into 80 GB.
        large = SHAPES[shape].layer_weights > 1e9
        changes = {"update_rows": 4, "micro_batches": 16} if large else {}
        return dataclasses.replace(ACCELERATOR, **changes)
    return TINY if shape == "tiny" else Load()


SHAPES = {
    "tiny": Shape(32, 2, 4, 2, 8, 64, 96),
    "S": Shape(256, 4, 4, 2, 64, 704, 2048),
    "small": Shape(384, 6, 6, 2, 64, 1024, 4096),
    "M": Shape(512, 8, 8, 2, 64, 1408, 8192),
    "qwen2.5-0.5b": Shape(896, 24, 14, 2, 64, 4864, 151936, "bfloat16"),
    "qwen2.5-1.5b": Shape(1536, 28, 12, 2, 128, 8960, 151936, "bfloat16"),
}
"""`small` is the shape that stored figures are about, S and M are below and above it; `tiny` is for
tests; the others are for accelerators."""
