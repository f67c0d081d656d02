"""Merges models of one architecture into a new model folder.

python -m launch.merge --method=linear --model=A --model=B --weight=0.7 --weight=0.3 --to=DIR
python -m launch.merge --method=slerp --model=A --model=B --t=0.5 --to=DIR
python -m launch.merge --method=ties --model=BASE --model=A --model=B --density=0.2 --to=DIR

A model is a folder in Hugging Face format or the workdir of a finished run. What is written is a
Hugging Face folder with the tokenizer and the dtypes of the first one.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # the host has room for what a device has not

from launch import environment  # isort: skip  (before jax starts)

import dataclasses
import pathlib

from absl import flags

METHOD = flags.DEFINE_enum("method", "linear", ["linear", "slerp", "ties"], "How to merge.")
MODEL = flags.DEFINE_multi_string("model", None, "Model; with ties the base first.", required=True)
WEIGHT = flags.DEFINE_multi_float("weight", [], "Of each model, linear; without, all alike.")
T = flags.DEFINE_float("t", 0.5, "Way from the first to the second model, slerp.")
DENSITY = flags.DEFINE_float("density", 0.2, "Share of the changes that is kept, ties.")
SCALE = flags.DEFINE_float("scale", 1.0, "Of the merged change, ties.")
TO = flags.DEFINE_string("to", None, "Folder to write, new or empty.", required=True)


def main(_: list[str]) -> None:
    """Loads, merges, saves."""
    from reasoning_jax.models import count_params, merge_methods, save_hf
    from reasoning_jax.models.companions import copy_companions
    from reasoning_jax.models.hf import CONFIG, TOKEN_IDS, replacing
    from reasoning_jax.models.stored import read_json
    from reasoning_jax.stages.exported import load_merged, model_folder

    target = pathlib.Path(TO.value)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists and is not an empty folder; give another to --to")
    loaded = [load_merged(name, dtype=None) for name in MODEL.value]
    first = loaded[0][0]
    for name, (config, _) in zip(MODEL.value, loaded):
        if config != first:
            fields = [
                field.name
                for field in dataclasses.fields(first)
                if getattr(config, field.name) != getattr(first, field.name)
            ]
            raise ValueError(
                f"{name} is of another architecture than {MODEL.value[0]}: {', '.join(fields)} "
                "differ; only models of one can be merged"
            )
    keywords = {
        "linear": {"weights": tuple(WEIGHT.value)},
        "slerp": {"t": T.value},
        "ties": {"density": DENSITY.value, "scale": SCALE.value},
    }[METHOD.value]
    merged = getattr(merge_methods, METHOD.value)([params for _, params in loaded], **keywords)
    source = model_folder(MODEL.value[0])
    ids = {key: value for key, value in read_json(source / CONFIG).items() if key in TOKEN_IDS}
    with replacing(target) as fresh:
        save_hf(fresh, first, merged, token_ids=ids)
        copy_companions(source, fresh)
    print(f"{target}: {METHOD.value} of {len(loaded)} models, {count_params(merged):,} parameters")


if __name__ == "__main__":
    environment.run(main)
