"""The flags of SamplingParams, shared by the scripts that sample."""

from absl import flags

_N = flags.DEFINE_integer("n", 1, "Samples per prompt.", lower_bound=1)
_MAX_TOKENS = flags.DEFINE_integer("max_tokens", 256, "Length limit of a completion.")
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Of the samples; 0 is greedy.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Nucleus to sample from; 1 is everything.")
_TOP_K = flags.DEFINE_integer("top_k", 0, "Most likely tokens to sample from; 0 is all.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the samples.")
_STOP = flags.DEFINE_multi_string("stop", [], "String that ends a completion; may be repeated.")


def sampling_params():
    """The SamplingParams the flags describe; ValueError for one that cannot be."""
    from reasoning_jax.sampling import SamplingParams

    return SamplingParams(
        max_tokens=_MAX_TOKENS.value,
        temperature=_TEMPERATURE.value,
        top_p=_TOP_P.value,
        top_k=_TOP_K.value,
        n=_N.value,
        seed=_SEED.value,
        stop=tuple(_STOP.value),
    )
