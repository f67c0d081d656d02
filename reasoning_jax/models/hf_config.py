"""Hugging Face ``config.json`` to ModelConfig and back, from one table per concern."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reasoning_jax.models.config import MixtureOfExperts, ModelConfig, RopeScaling


@dataclasses.dataclass(frozen=True)
class Family:
    """What one ``model_type`` of transformers reads, and what its architecture fixes.

    Attributes:
      model_class: its causal language model.
      defaults: every key it reads, with what transformers takes where the key is absent.
        A key that is not here has no effect in transformers, and none here.
      fixed: ModelConfig fields that no key sets.
      slides: (layer, keys) -> whether the layer has the sliding window; asked where
        ``layer_types`` does not say.
    """

    model_class: str
    defaults: Mapping[str, Any]
    fixed: Mapping[str, Any]
    slides: Callable[[int, Mapping[str, Any]], bool] = lambda layer, keys: True


_COMMON = dict(
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=None,
    head_dim=None,
    rms_norm_eps=1e-6,
    tie_word_embeddings=False,
    rope_theta=10000.0,
    rope_scaling=None,
)
_QWEN = _COMMON | dict(
    vocab_size=151936,
    hidden_size=4096,
    intermediate_size=22016,
    num_key_value_heads=32,
    hidden_act="silu",
    max_position_embeddings=32768,
    use_sliding_window=False,
    sliding_window=4096,
    max_window_layers=28,
    layer_types=None,
)
_EXPERTS = dict(
    hidden_size=2048,
    num_hidden_layers=24,
    decoder_sparse_step=1,
    mlp_only_layers=[],
    norm_topk_prob=False,
    router_aux_loss_coef=0.001,
)
_GEMMA = _COMMON | dict(
    hidden_size=2304,
    intermediate_size=9216,
    num_hidden_layers=26,
    num_attention_heads=8,
    num_key_value_heads=4,
    head_dim=256,
    hidden_activation="gelu_pytorch_tanh",
    tie_word_embeddings=True,
    attention_bias=False,
    query_pre_attn_scalar=256,
    sliding_window=4096,
    layer_types=None,
    final_logit_softcapping=None,
)
_GEMMA_BLOCK = dict(norm_placement="sandwich", norm_plus_one=True, norm_scale_in_float32=True)


def _after_full_layers(layer: int, keys: Mapping[str, Any]) -> bool:
    return layer >= keys["max_window_layers"]


FAMILIES: dict[str, Family] = {
    "llama": Family(
        "LlamaForCausalLM",
        _COMMON
        | dict(
            vocab_size=32000,
            hidden_size=4096,
            intermediate_size=11008,
            hidden_act="silu",
            max_position_embeddings=2048,
            attention_bias=False,
            mlp_bias=False,
        ),
        dict(norm_placement="pre"),
    ),
    "mistral": Family(
        "MistralForCausalLM",
        _COMMON
        | dict(
            vocab_size=32000,
            hidden_size=4096,
            intermediate_size=14336,
            num_key_value_heads=8,
            hidden_act="silu",
            max_position_embeddings=131072,
            sliding_window=4096,
        ),
        dict(norm_placement="pre"),
    ),
    "qwen2": Family(
        "Qwen2ForCausalLM", _QWEN, dict(norm_placement="pre", qkv_bias=True), _after_full_layers
    ),
    "qwen3": Family(
        "Qwen3ForCausalLM",
        _QWEN | dict(head_dim=128, attention_bias=False),
        dict(norm_placement="pre", qk_norm="head"),
        _after_full_layers,
    ),
    "olmo2": Family(
        "Olmo2ForCausalLM",
        _COMMON
        | dict(
            vocab_size=50304,
            hidden_size=4096,
            intermediate_size=11008,
            hidden_act="silu",
            max_position_embeddings=2048,
            rms_norm_eps=1e-5,
            attention_bias=False,
        ),
        dict(norm_placement="post", qk_norm="full", norm_scale_in_float32=True),
    ),
    "gemma2": Family(
        "Gemma2ForCausalLM",
        _GEMMA
        | dict(
            vocab_size=256000,
            max_position_embeddings=8192,
            attn_logit_softcapping=50.0,
            final_logit_softcapping=30.0,
        ),
        _GEMMA_BLOCK,
        lambda layer, keys: layer % 2 == 0,
    ),
    "gemma3_text": Family(
        "Gemma3ForCausalLM",
        _GEMMA
        | dict(
            vocab_size=262208,
            max_position_embeddings=131072,
            rope_theta=1_000_000.0,
            rope_local_base_freq=10000.0,
            sliding_window_pattern=6,
        ),
        _GEMMA_BLOCK | dict(qk_norm="head"),
        lambda layer, keys: (layer + 1) % keys["sliding_window_pattern"] != 0,
    ),
    "qwen2_moe": Family(
        "Qwen2MoeForCausalLM",
        _QWEN
        | _EXPERTS
        | dict(
            intermediate_size=5632,
            num_attention_heads=16,
            num_key_value_heads=16,
            qkv_bias=True,
            num_experts=60,
            num_experts_per_tok=4,
            moe_intermediate_size=1408,
            shared_expert_intermediate_size=5632,
        ),
        dict(norm_placement="pre"),
        lambda layer, keys: layer % 2 == 0 and layer < keys["max_window_layers"],
    ),
    "qwen3_moe": Family(
        "Qwen3MoeForCausalLM",
        {
            key: value
            for key, value in _QWEN.items()
            if key not in ("layer_types", "max_window_layers")
        }
        | _EXPERTS
        | dict(
            intermediate_size=6144,
            num_key_value_heads=4,
            attention_bias=False,
            num_experts=128,
            num_experts_per_tok=8,
            moe_intermediate_size=768,
        ),
        dict(norm_placement="pre", qk_norm="head"),
    ),
}

# hub name -> ours; the first name of each is the one written
_ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu": "gelu",
}
_ROPE_KINDS = {"default": "none", "linear": "linear", "llama3": "llama3", "yarn": "yarn"}


def _same(value: Any) -> Any:
    return value


class Key(NamedTuple):
    """One key of config.json and the field it sets; ``read`` and ``write`` are inverse."""

    hub: str
    field: str
    read: Callable[[Any], Any] = _same
    write: Callable[[Any], Any] = _same


def _choice(hub_to_ours: Mapping[str, str]) -> tuple[Callable, Callable]:
    written = {ours: hub for hub, ours in reversed(hub_to_ours.items())}
    return hub_to_ours.__getitem__, written.__getitem__


_KEYS = (
    Key("vocab_size", "vocab_size"),
    Key("hidden_size", "d_model"),
    Key("num_hidden_layers", "n_layers"),
    Key("num_attention_heads", "n_heads"),
    Key("num_key_value_heads", "n_kv_heads"),
    Key("head_dim", "head_dim"),
    Key("intermediate_size", "d_ff"),
    Key("max_position_embeddings", "max_position"),
    Key("rms_norm_eps", "norm_eps"),
    Key("tie_word_embeddings", "tie_embeddings"),
    Key("hidden_act", "activation", *_choice(_ACTIVATIONS)),
    Key("hidden_activation", "activation", *_choice(_ACTIVATIONS)),
    Key("qkv_bias", "qkv_bias"),
    Key("attention_bias", "qkv_bias"),
    Key("attention_bias", "out_bias"),
    Key("mlp_bias", "mlp_bias"),
    Key("rope_theta", "rope_theta"),
    Key("rope_local_base_freq", "rope_local_theta"),
    Key("attn_logit_softcapping", "attention_softcap"),
    Key("final_logit_softcapping", "final_softcap"),
    Key(
        "query_pre_attn_scalar",
        "query_scale",
        lambda scalar: scalar**-0.5,
        lambda scale: None if scale is None else round(scale**-2),
    ),
)
_EXPERT_KEYS = (
    Key("num_experts", "n_experts"),
    Key("num_experts_per_tok", "top_k"),
    Key("moe_intermediate_size", "d_ff"),
    Key("norm_topk_prob", "normalize_top_k"),
    Key("shared_expert_intermediate_size", "shared_d_ff"),
    Key("router_aux_loss_coef", "aux_coef"),
)
_ROPE_KEYS = {
    "none": (),
    "linear": (Key("factor", "factor"),),
    "llama3": (
        Key("factor", "factor"),
        Key("original_max_position_embeddings", "original_max_position"),
        Key("low_freq_factor", "low_freq_factor"),
        Key("high_freq_factor", "high_freq_factor"),
    ),
    "yarn": (
        Key("factor", "factor"),
        Key("original_max_position_embeddings", "original_max_position"),
        Key("beta_fast", "beta_fast"),
        Key("beta_slow", "beta_slow"),
        Key("attention_factor", "attention_factor"),
    ),
}

# Keys whose null says something; elsewhere null is the same as absent.
_NULLABLE = ("sliding_window", "attn_logit_softcapping", "final_logit_softcapping", "head_dim")

# Keys with a single value this decoder can compute.
ONLY_VALUE = {
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "partial_rotary_factor": 1.0,
    "use_bidirectional_attention": False,
    "truncate": True,
}


def config_from_hf(data: Mapping[str, Any]) -> ModelConfig:
    """The architecture that transformers would build from this ``config.json``.

    Both the older rotary keys (``rope_theta``, ``rope_scaling``) and ``rope_parameters`` of
    transformers 5 are read. A multimodal Gemma 3 config gives its text decoder.

    Raises:
      ValueError: unknown architecture, or a key with a value that is not supported.
    """
    data = _decoder_part(data)
    name = data.get("model_type")
    family = _family(name)
    _only_supported(data)
    keys = dict(family.defaults)
    for key, default in family.defaults.items():
        if data.get(key) is not None:
            keys[key] = _typed(key, data[key], default)
        elif key in data and key in _NULLABLE:
            keys[key] = None
    rope = _rope_parameters(data, keys)
    keys["head_dim"] = keys["head_dim"] or keys["hidden_size"] // keys["num_attention_heads"]
    keys["num_key_value_heads"] = keys["num_key_value_heads"] or keys["num_attention_heads"]

    fields = {"architecture": name} | family.fixed | _read(_KEYS, keys)
    fields["rope_scaling"] = _rope_scaling(rope, keys["max_position_embeddings"])
    fields |= _sliding(family, keys)
    if family.fixed.get("norm_plus_one"):
        fields["embed_scale"] = keys["hidden_size"] ** 0.5
    if "num_experts" in keys:
        fields["moe"] = MixtureOfExperts(**_read(_EXPERT_KEYS, keys))
    return ModelConfig(**fields)


def config_to_hf(config: ModelConfig) -> dict[str, Any]:
    """The ``config.json`` of a config, every key explicit, for transformers 4 and 5 alike.

    Raises:
      ValueError: when ``config.architecture`` cannot express one of its fields; names them all.
    """
    family = _family(config.architecture)
    keys = dict(family.defaults) | _write(_KEYS, config)
    if config.moe is not None:
        keys |= _write(_EXPERT_KEYS, config.moe)
    scaling = config.rope_scaling
    if scaling.kind != "none":
        kind = _choice(_ROPE_KINDS)[1](scaling.kind)
        keys["rope_scaling"] = {"rope_type": kind} | _write(_ROPE_KEYS[scaling.kind], scaling)
    keys["use_sliding_window"] = config.sliding_window is not None
    keys["layer_types"] = [
        "sliding_attention" if slides else "full_attention" for slides in config.slides
    ]
    if config.sliding_window is not None or "layer_types" not in family.defaults:
        keys["sliding_window"] = config.sliding_window
    data = {
        "architectures": [family.model_class],
        "model_type": config.architecture,
        # Absent, transformers would assume ids that belong to another tokenizer.
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id")),
        **{key: keys[key] for key in family.defaults},
    }
    read_back = config_from_hf(data)
    lost = [
        f"{field.name} = {getattr(config, field.name)!r} "
        f"(would be read as {getattr(read_back, field.name)!r})"
        for field in dataclasses.fields(ModelConfig)
        if getattr(config, field.name) != getattr(read_back, field.name)
    ]
    if lost:
        raise ValueError(
            f"architecture {config.architecture!r} cannot express {'; '.join(lost)}; "
            f"change these fields or choose another of {', '.join(FAMILIES)}"
        )
    return data


def _family(name: str | None) -> Family:
    if name not in FAMILIES:
        raise ValueError(
            f"model_type {name!r} is not supported; supported: {', '.join(FAMILIES)}, gemma3"
        )
    return FAMILIES[name]


def _decoder_part(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys of the text decoder under the names of FAMILIES."""
    if data.get("model_type") == "gemma3":
        tied = {key: data[key] for key in ("tie_word_embeddings",) if key in data}
        return {"model_type": "gemma3_text", **data.get("text_config", {}), **tied}
    if data.get("model_type") == "qwen3_moe" and "num_local_experts" in data:
        # transformers 5 writes num_experts under this name.
        return {"num_experts": data["num_local_experts"], **data}
    return data


def _unsupported(key: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"{key} = {value!r} is not supported; expected {expected}")


def _only_supported(keys: Mapping[str, Any]) -> None:
    for key, only in ONLY_VALUE.items():
        if keys.get(key) is not None and keys[key] != only:
            raise _unsupported(key, keys[key], repr(only))


def _typed(key: str, value: Any, default: Any) -> Any:
    """The value as the type of the default, which None leaves open."""
    if default is None:
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, (int, float)) and not isinstance(default, bool) and is_number:
        if value == type(default)(value):
            return type(default)(value)
    elif isinstance(value, type(default)):
        return value
    raise _unsupported(key, value, f"a value like {default!r}")


def _read(table: tuple[Key, ...], keys: Mapping[str, Any]) -> dict[str, Any]:
    fields = {}
    for key in table:
        if keys.get(key.hub) is None:
            if key.hub in _NULLABLE and key.hub in keys:
                fields[key.field] = None
            continue
        try:
            fields[key.field] = key.read(keys[key.hub])
        except KeyError:
            raise _unsupported(
                key.hub, keys[key.hub], f"one of {', '.join(_ACTIVATIONS)}"
            ) from None
    return fields


def _write(table: tuple[Key, ...], source: Any) -> dict[str, Any]:
    values = {key.hub: key.write(getattr(source, key.field)) for key in table}
    return {key: value for key, value in values.items() if value is not None or key in _NULLABLE}


def _rope_parameters(data: Mapping[str, Any], keys: dict[str, Any]) -> Mapping[str, Any]:
    """The rotary parameters of full-attention layers; sets the bases in ``keys``."""
    rope = data.get("rope_parameters") or {}
    if "rope_local_base_freq" in keys:
        stray = [key for key in rope if key not in ("full_attention", "sliding_attention")]
        if stray:
            raise _unsupported("rope_parameters", rope, "full_attention and sliding_attention")
        local = rope.get("sliding_attention") or {}
        if local.get("rope_type", "default") != "default":
            raise _unsupported("rope_parameters.sliding_attention", local, "rope_type 'default'")
        keys["rope_local_base_freq"] = local.get("rope_theta", keys["rope_local_base_freq"])
        rope = (rope.get("full_attention") or {}) | (data.get("rope_scaling") or {})
    else:
        rope = data.get("rope_scaling") or rope
        if any(isinstance(value, Mapping) for value in rope.values()):
            raise _unsupported("rope_parameters", rope, "one set of values for all layers")
    keys["rope_theta"] = rope.get("rope_theta", keys["rope_theta"])
    if data.get("original_max_position_embeddings"):
        original = data["original_max_position_embeddings"]
        rope = {**rope, "original_max_position_embeddings": original}
    return rope


def _rope_scaling(rope: Mapping[str, Any], max_position: int) -> RopeScaling:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in _ROPE_KINDS:
        raise _unsupported("rope_type", kind, f"one of {', '.join(_ROPE_KINDS)}")
    _only_supported(rope)
    kind = _ROPE_KINDS[kind]
    fields = _read(_ROPE_KEYS[kind], {"original_max_position_embeddings": max_position, **rope})
    if kind == "yarn":
        fields.setdefault("factor", max_position / fields["original_max_position"])
        if "attention_factor" not in fields and rope.get("mscale") and rope.get("mscale_all_dim"):
            stretch = 0.1 * math.log(max(fields["factor"], 1.0))
            fields["attention_factor"] = (stretch * rope["mscale"] + 1) / (
                stretch * rope["mscale_all_dim"] + 1
            )
    elif kind != "none" and "factor" not in fields:
        raise ValueError(f"rope_scaling = {dict(rope)!r} has no 'factor'; {kind} needs it")
    return RopeScaling(kind, **fields)


def _sliding(family: Family, keys: Mapping[str, Any]) -> dict[str, Any]:
    window = keys.get("sliding_window") if keys.get("use_sliding_window", True) else None
    types = keys.get("layer_types")
    if types is None:
        layers = range(keys["num_hidden_layers"] if window else 0)
        slides = tuple(family.slides(layer, keys) for layer in layers)
    else:
        for kind in types:
            if kind not in ("sliding_attention", "full_attention"):
                raise _unsupported("layer_types", kind, "sliding_attention or full_attention")
        slides = tuple(kind == "sliding_attention" for kind in types)
        if len(slides) != keys["num_hidden_layers"]:
            raise _unsupported("layer_types", types, f"{keys['num_hidden_layers']} entries")
    if not any(slides):
        return {}
    if not window:
        raise _unsupported("sliding_window", window, "a width, as layer_types has sliding layers")
    return {"sliding_window": window, "sliding_layers": slides}
