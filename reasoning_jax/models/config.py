"""One description of a decoder that covers every supported family; no constant hides in code."""

import dataclasses

NORM_PLACEMENTS = ("pre", "post", "sandwich")
QK_NORMS = ("none", "head", "full")
ACTIVATIONS = ("silu", "gelu", "gelu_tanh")
ROPE_SCALINGS = ("none", "linear", "llama3", "yarn")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


@dataclasses.dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are stretched beyond the pretraining length.

    Attributes:
      kind: one of ``ROPE_SCALINGS``.
      factor: context extension factor.
      original_max_position: pretraining context, tokens (llama3, yarn).
      low_freq_factor, high_freq_factor: llama3 band limits.
      beta_fast, beta_slow: yarn band limits, rotations over the original context.
      attention_factor: yarn multiplier of cos and sin; None gives 0.1 ln(factor) + 1.
    """

    kind: str = "none"
    factor: float = 1.0
    original_max_position: int = 0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None

    def __post_init__(self):
        _one_of("rope_scaling.kind", self.kind, ROPE_SCALINGS)


@dataclasses.dataclass(frozen=True)
class MixtureOfExperts:
    """Replaces the MLP of every layer by routed experts.

    Attributes:
      n_experts: number of routed experts.
      top_k: experts used per token.
      d_ff: hidden width of one expert.
      normalize_top_k: divide the chosen router probabilities by their sum.
      shared_d_ff: hidden width of the always-on expert behind a sigmoid gate; 0 for none.
      aux_coef: coefficient of the load-balancing loss.
    """

    n_experts: int
    top_k: int
    d_ff: int
    normalize_top_k: bool = False
    shared_d_ff: int = 0
    aux_coef: float = 0.001


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Architecture of a dense or mixture-of-experts decoder.

    Attributes:
      architecture: Hugging Face ``model_type`` this config is exported as.
      vocab_size: rows of the embedding, padding rows included.
      d_model, n_layers, n_heads, n_kv_heads, head_dim, d_ff: sizes; head_dim is its own
        number, not always d_model / n_heads.
      max_position: context length in tokens.
      norm_placement: ``pre`` (Llama, Qwen), ``post`` (branch output only, OLMo 2) or
        ``sandwich`` (before and after both branches, Gemma).
      norm_eps: added to the mean square.
      norm_plus_one: scale by (1 + w) (Gemma).
      norm_scale_in_float32: multiply by the scale before casting back (OLMo 2, Gemma).
      qkv_bias, out_bias, mlp_bias: projections with a bias.
      qk_norm: RMSNorm of queries and keys per ``head``, over the ``full`` width, or ``none``.
      activation: gate activation of the MLP.
      rope_theta: base of the rotary frequencies.
      rope_local_theta: base for sliding layers, unscaled, where it differs (Gemma 3).
      rope_scaling: see RopeScaling.
      tie_embeddings: unembed with the transposed embedding.
      embed_scale: multiplier of the input embedding, rounded to the parameter dtype.
      attention_softcap, final_softcap: cap * tanh(x / cap); None for off.
      query_scale: multiplier of q·k; None gives head_dim ** -0.5.
      sliding_window: a query sees this many last keys, itself included; None for off.
      sliding_layers: per layer, whether the window applies; () for no layer.
      moe: mixture of experts, or None for a dense MLP.
    """

    vocab_size: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    architecture: str = "llama"
    max_position: int = 4096
    norm_placement: str = "pre"
    norm_eps: float = 1e-6
    norm_plus_one: bool = False
    norm_scale_in_float32: bool = False
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    qk_norm: str = "none"
    activation: str = "silu"
    rope_theta: float = 10000.0
    rope_local_theta: float | None = None
    rope_scaling: RopeScaling = RopeScaling()
    tie_embeddings: bool = True
    embed_scale: float = 1.0
    attention_softcap: float | None = None
    final_softcap: float | None = None
    query_scale: float | None = None
    sliding_window: int | None = None
    sliding_layers: tuple[bool, ...] = ()
    moe: MixtureOfExperts | None = None

    def __post_init__(self):
        _one_of("norm_placement", self.norm_placement, NORM_PLACEMENTS)
        _one_of("qk_norm", self.qk_norm, QK_NORMS)
        _one_of("activation", self.activation, ACTIVATIONS)
        for name in ("vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "head_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_heads {self.n_heads} is not a multiple of n_kv_heads {self.n_kv_heads}"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} is odd; rotary embedding needs pairs")
        if self.sliding_layers and len(self.sliding_layers) != self.n_layers:
            raise ValueError(
                f"sliding_layers has {len(self.sliding_layers)} entries for {self.n_layers} layers"
            )
        if any(self.sliding_layers) and not self.sliding_window:
            raise ValueError("sliding_layers is set but sliding_window is not; give its size")

    @property
    def slides(self) -> tuple[bool, ...]:
        """Per layer, whether it sees only the sliding window."""
        return self.sliding_layers or (False,) * self.n_layers

    @property
    def attention_scale(self) -> float:
        """Multiplier of q·k."""
        return self.query_scale if self.query_scale is not None else self.head_dim**-0.5
