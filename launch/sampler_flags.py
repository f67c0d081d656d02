"""The flags of a sampler and of SamplingParams, shared by the scripts that sample."""

from typing import Any, NamedTuple

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
_EXPERT = flags.DEFINE_integer("expert", 1, "Devices that share the experts of every layer.")
_ADAPTER = flags.DEFINE_string("adapter", "", "Folder of a LoRA adapter in PEFT's format.")
_CHAT = flags.DEFINE_string(
    "chat",
    None,
    "Put a prompt as a user's message: model (the template of its folder), chatml, or a file with "
    "a template. The default is what the run in a workdir did; empty is plain text.",
)
_SYSTEM = flags.DEFINE_string("system", None, "Message before the user's.")
_TOOL = flags.DEFINE_multi_string(
    "tool",
    None,
    "Function that makes a tool, as reasoning_jax.tools.calculator; may be repeated. The default "
    "are the tools of the run in a workdir; empty is none.",
)
_TOOL_SYNTAX = flags.DEFINE_multi_string(
    "tool_syntax", [], "Delimiter of calls or results, as call_start=<tool>; may be repeated."
)
_MAX_TURNS = flags.DEFINE_integer("max_turns", None, "Times to write in one completion with tools.")
_MAX_RESULT_TOKENS = flags.DEFINE_integer("max_result_tokens", None, "Of what a tool answers.")


class SamplerParts(NamedTuple):
    """What a sampler with tools is made of.

    Attributes:
      config: ModelConfig.
      mesh: all devices.
      dtype: of the computation.
      tokenizer: of plain text.
      chat: the block that says how prompts are put to the model.
      sampler: Sampler, whose prompts are messages where ``chat`` says so.
      tooling: Tooling that goes around it.
    """

    config: Any
    mesh: Any
    dtype: Any
    tokenizer: Any
    chat: dict
    sampler: Any
    tooling: Any


def load_sampler(source: str):
    """A sampler of a model folder or of the workdir of a finished run, with its tools.

    It runs over all devices. An energy model calls no tools.
    """
    from reasoning_jax.models.energy import is_energy_folder
    from reasoning_jax.stages.exported import model_folder

    if is_energy_folder(model_folder(source)):
        return _load_energy_sampler(source)
    parts = load_parts(source)
    return parts.tooling.wrap(parts.sampler)


def _load_energy_sampler(source: str):
    import jax.numpy as jnp

    from reasoning_jax.parallel import make_mesh
    from reasoning_jax.stages.chat import build_chat
    from reasoning_jax.stages.energy.model import saved_energy_sampler
    from reasoning_jax.stages.exported import model_folder
    from reasoning_jax.text import load_tokenizer

    if _ADAPTER.value or any(_TOOL.value or ()):
        raise ValueError(f"{source} holds an energy model, which takes no --adapter and no --tool")
    folder = model_folder(source)
    mesh = make_mesh(fsdp=_FSDP.value, tensor=_TENSOR.value, expert=_EXPERT.value)
    tokenizer = build_chat(_chat(source), load_tokenizer(folder), folder)
    return saved_energy_sampler(folder, tokenizer, mesh, jnp.dtype(_DTYPE.value))


def load_parts(source: str) -> SamplerParts:
    """The parts of what ``load_sampler`` gives."""
    import jax.numpy as jnp

    from reasoning_jax.parallel import make_mesh
    from reasoning_jax.sampling import Sampler
    from reasoning_jax.stages.chat import build_chat
    from reasoning_jax.stages.exported import load_exported, model_folder
    from reasoning_jax.stages.tools import build_tooling

    mesh = make_mesh(fsdp=_FSDP.value, tensor=_TENSOR.value, expert=_EXPERT.value)
    dtype = jnp.dtype(_DTYPE.value)
    config, params, plain = load_exported(source, mesh, dtype, _ADAPTER.value)
    chat = _chat(source)
    tokenizer = build_chat(chat, plain, model_folder(source))
    sampler = Sampler(config, params, tokenizer, mesh, dtype=dtype)
    tooling = build_tooling(_tools(source), tokenizer)
    return SamplerParts(config, mesh, dtype, plain, chat, sampler, tooling)


def _chat(source: str) -> dict:
    """The chat block of a run, with what the flags say instead."""
    from reasoning_jax.stages.chat import chat_block
    from reasoning_jax.stages.exported import saved_block

    block = saved_block(source, "chat", chat_block())
    if _CHAT.value is not None:
        block["template"] = _CHAT.value
    if _SYSTEM.value is not None:
        block["system"] = _SYSTEM.value
    return block


def _tools(source: str) -> dict:
    """The tools block of a run, with what the flags say instead."""
    from reasoning_jax.stages.exported import saved_block
    from reasoning_jax.stages.tools import tools_block

    block = saved_block(source, "tools", tools_block())
    if _TOOL.value is not None:
        block["use"] = [name for name in _TOOL.value if name]
    for name, flag in (("max_turns", _MAX_TURNS), ("max_result_tokens", _MAX_RESULT_TOKENS)):
        if flag.value is not None:
            block[name] = flag.value
    for delimiter in _TOOL_SYNTAX.value:
        name, _, text = delimiter.partition("=")
        if name not in block["syntax"]:
            raise ValueError(
                f"--tool_syntax={delimiter}: choose one of {', '.join(block['syntax'])}"
            )
        block["syntax"] = block["syntax"] | {name: text}
    return block


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
