"""The flags of a sampler and of SamplingParams, shared by the scripts that sample."""

from absl import flags

_N = flags.DEFINE_integer("n", 1, "Samples per prompt.", lower_bound=1)
_MAX_TOKENS = flags.DEFINE_integer("max_tokens", 256, "Length limit of a completion.")
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Of the samples; 0 is greedy.")
_TOP_P = flags.DEFINE_float("top_p", 1.0, "Nucleus to sample from; 1 is everything.")
_TOP_K = flags.DEFINE_integer("top_k", 0, "Most likely tokens to sample from; 0 is all.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the samples.")
_STOP = flags.DEFINE_multi_string("stop", [], "String that ends a completion; may be repeated.")
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of model and cache.")
_FSDP = flags.DEFINE_integer("fsdp", 1, "Devices that share every parameter.")
_TENSOR = flags.DEFINE_integer("tensor", 1, "Devices that share every layer's work.")


def load_sampler(source: str):
    """A Sampler of a model folder or of the workdir of a finished run, over all devices."""
    import jax.numpy as jnp

    from reasoning_jax.parallel import make_mesh
    from reasoning_jax.sampling import Sampler
    from reasoning_jax.stages.exported import load_exported

    mesh = make_mesh(fsdp=_FSDP.value, tensor=_TENSOR.value)
    dtype = jnp.dtype(_DTYPE.value)
    config, params, tokenizer = load_exported(source, mesh, dtype)
    return Sampler(config, params, tokenizer, mesh, dtype=dtype)


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
