"""Converts a model folder from Hugging Face's layout to ours (orbax), or back.

python -m launch.convert_hf --from=HF_FOLDER --to=DIR
python -m launch.convert_hf --from=DIR --to=HF_FOLDER --dtype=bfloat16
python -m launch.convert_hf --from=HF_FOLDER --to=DIR --format=hf --shard_gb=2
python -m launch.convert_hf --from=HF_FOLDER --to=DIR --format=hf --adapter=PEFT_FOLDER
python -m launch.convert_hf --from=WORKDIR/kept/rm --to=DIR --dtype=bfloat16

Ours holds config.json, the parameters in params/, and the tokenizer; every script takes it where
it takes a Hugging Face folder, and each process of a job reads only its own shards. A reward model,
or a critic, stays in Hugging Face's layout.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the host has room for what a device has not

from launch import environment  # isort: skip  (before jax starts)

import pathlib
import time

from absl import flags

FROM = flags.DEFINE_string("from", None, "Model folder, or workdir of a run.", required=True)
TO = flags.DEFINE_string("to", None, "Folder to write, new or empty.", required=True)
FORMAT = flags.DEFINE_enum("format", None, ["hf", "orbax"], "Layout to write; default: the other.")
DTYPE = flags.DEFINE_enum(
    "dtype", None, ["float32", "bfloat16", "float16"], "Of the parameters; default: unchanged."
)
ADAPTER = flags.DEFINE_string("adapter", "", "Folder of a LoRA adapter in PEFT's format to merge.")
SHARD_GB = flags.DEFINE_float("shard_gb", 5.0, "Largest safetensors file, 10^9 bytes.", 1e-6)


def main(_: list[str]) -> None:
    """Loads, saves, copies the companions, reports."""
    import jax.numpy as jnp

    from reasoning_jax.models import count_params, is_reward_model
    from reasoning_jax.models.companions import copy_companions
    from reasoning_jax.models.hf import CONFIG, TOKEN_IDS, replacing
    from reasoning_jax.models.orbax import is_orbax
    from reasoning_jax.models.stored import read_json
    from reasoning_jax.stages.exported import model_folder

    began = time.perf_counter()
    source, target = model_folder(FROM.value), pathlib.Path(TO.value)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists and is not an empty folder; give another to --to")
    to_reward = not is_orbax(source) and is_reward_model(source)
    layout = FORMAT.value or ("hf" if to_reward or is_orbax(source) else "orbax")
    dtype = DTYPE.value and jnp.dtype(DTYPE.value)
    ids = {key: value for key, value in read_json(source / CONFIG).items() if key in TOKEN_IDS}
    with replacing(target) as fresh:
        convert = _reward_model if to_reward else _language_model
        params = convert(source, fresh, layout, dtype, ids)
        copy_companions(source, fresh)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(
        f"{target}: {layout}, {count_params(params):,} parameters, {size / 1e9:.3f} GB, "
        f"{time.perf_counter() - began:.1f} s"
    )


def _language_model(source, target, layout, dtype, ids) -> dict:
    """Writes what ``source`` holds to ``target``; its parameters."""
    from reasoning_jax.models import save_hf, save_orbax
    from reasoning_jax.stages.exported import load_merged

    config, params = load_merged(source, dtype=dtype, adapter=ADAPTER.value)
    if layout == "hf":
        save_hf(target, config, params, max_shard_bytes=_shard_bytes(), token_ids=ids)
    else:
        save_orbax(target, config, params, token_ids=ids)
    return params


def _reward_model(source, target, layout, dtype, ids) -> dict:
    """The same for a decoder with a linear head."""
    from reasoning_jax.models import load_reward_model, save_reward_model

    if layout != "hf" or ADAPTER.value:
        raise ValueError(
            f"{source} holds a reward model, which stays in Hugging Face's layout and takes no "
            "adapter; leave out --format and --adapter"
        )
    config, params, head = load_reward_model(source, dtype=dtype)
    save_reward_model(target, config, params, head, token_ids=ids, max_shard_bytes=_shard_bytes())
    return {"decoder": params, "head": head}


def _shard_bytes() -> int:
    return round(SHARD_GB.value * 1e9)


if __name__ == "__main__":
    environment.run(main)
